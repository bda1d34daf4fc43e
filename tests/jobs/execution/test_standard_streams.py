"""What can be done to the standard streams outside a step can be done in one, and nothing that a
body does to them, or that happens to them, reaches the worker or the next run."""

from __future__ import annotations

import array
import contextlib
import copy
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.execution.log_capture import LogCapture
from jobs.execution.standard_streams import MAX_LINE
from jobs.models import Run
from tests.support.functions import ran

pytestmark = [pytest.mark.processes, pytest.mark.django_db]


@pytest.fixture
def console(tmp_path):
    """As a worker's: a text file. pytest's own is a stand-in."""
    with open(tmp_path / "console", "w+", encoding="utf-8") as console:
        yield console


def played(body: Callable[[], Any], console: Any) -> Run:
    """A run whose step has this body, in a worker with this console."""
    with contextlib.redirect_stdout(console):
        return ran(lambda ctx: ctx.step.run("body", body) and None, retries=0)


def said_by(body: Callable[[], Any], console: Any) -> list[str]:
    """The log lines of a step with this body, which must succeed."""
    run = played(body, console)
    assert run.status == "completed", run.error
    return [line.message for line in run.log_lines.all()]


def what_is_on(console: Any) -> str:
    console.flush()
    return Path(console.name).read_text(encoding="utf-8")


def redirected() -> str:
    with contextlib.redirect_stdout(io.StringIO()) as told:
        print("aside")
    return told.getvalue()


def read_from() -> str:
    return next(iter(sys.stdout))


ASKED = {
    "encoding": lambda: sys.stdout.encoding,
    "errors": lambda: sys.stdout.errors,
    "name": lambda: str(sys.stdout.name),
    "mode": lambda: sys.stdout.mode,
    "newlines": lambda: sys.stdout.newlines,
    "line buffering": lambda: sys.stdout.line_buffering,
    "write through": lambda: sys.stdout.write_through,
    "fileno": lambda: sys.stdout.fileno(),
    "a terminal": lambda: sys.stdout.isatty(),
    "writable": lambda: (sys.stdout.writable(), sys.stdout.readable(), sys.stdout.seekable()),
    "closed": lambda: sys.stdout.closed,
    "its class": lambda: isinstance(sys.stdout, io.TextIOWrapper),
    "its base class": lambda: isinstance(sys.stdout, io.TextIOBase),
    "its buffer's class": lambda: isinstance(sys.stdout.buffer, io.BufferedIOBase),
    "what is written": lambda: sys.stdout.write("abc\n"),
    "bytes": lambda: sys.stdout.buffer.write(b"\xff\0x\n"),
    "an array": lambda: sys.stdout.buffer.write(array.array("i", [1, 2])),
    "redirected": redirected,
    "a program's output": lambda: subprocess.run(["true"], stdout=sys.stdout).returncode,
    "reconfigured": lambda: sys.stdout.reconfigure(line_buffering=True),
    "its text": lambda: repr(sys.stdout),
    "standard error": lambda: (sys.stderr.fileno(), sys.stderr.encoding),
}
REFUSED = {
    "bytes as a text": lambda: sys.stdout.write(b"x"),
    "a text as bytes": lambda: sys.stdout.buffer.write("x"),
    "copied": lambda: copy.copy(sys.stdout),
    "an attribute that is not there": lambda: sys.stdout.colour,
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_the_answer_in_a_step_is_the_answer_outside(ask, console):
    told: list[Any] = []
    said_by(lambda: told.append(ask()), console)

    with contextlib.redirect_stdout(console):
        assert told == [ask()]


@pytest.mark.parametrize("ask", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_outside_is_refused_in_a_step(ask, console):
    with pytest.raises(Exception) as outside, contextlib.redirect_stdout(console):
        ask()

    run = played(ask, console)
    assert run.error["cause"]["name"] == type(outside.value).__name__


def test_bytes_reach_the_console_as_they_are_and_the_log_as_text(console):
    def body() -> None:
        sys.stdout.buffer.write("é".encode()[:1])
        sys.stdout.buffer.write("é\n".encode()[1:])
        sys.stdout.buffer.write(b"\xff\n")

    assert said_by(body, console) == ["é", "\\xff"]
    console.flush()
    assert (os.pread(console.fileno(), 9, 0)) == b"\xc3\xa9\n\xff\n"


REWRAPPED = {
    "its buffer": lambda: io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8"),
    "detached": lambda: io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8"),
}


@pytest.mark.parametrize("wrap", REWRAPPED.values(), ids=REWRAPPED)
def test_a_body_may_put_a_stream_of_its_own_over_the_buffer(wrap, console):
    def body() -> None:
        sys.stdout = wrap()
        print("é")

    assert said_by(body, console) == ["é"]
    assert what_is_on(console) == "é\n"


CLOSED = {
    "closed": lambda: sys.stdout.close(),
    "closed by a block": lambda: sys.stdout.__exit__(None, None, None),
    "its buffer closed": lambda: sys.stdout.buffer.close(),
    "its raw file closed": lambda: sys.stdout.buffer.raw.close(),
    "detached twice": lambda: sys.stdout.detach().detach().close(),
    "deleted": lambda: delattr(sys, "stdout"),
    "replaced": lambda: setattr(sys, "stdout", None),
}


@pytest.mark.parametrize("close", CLOSED.values(), ids=CLOSED)
def test_a_body_that_closes_the_standard_output_closes_its_own(close, console):
    def body() -> None:
        print("before")
        close()

    assert said_by(body, console) == ["before"]
    assert said_by(lambda: print("the next run"), console) == ["the next run"]
    assert what_is_on(console) == "before\nthe next run\n"


def test_what_is_printed_after_a_body_has_closed_its_output_is_an_error_as_outside(console):
    def body() -> None:
        sys.stdout.close()
        print("after")

    run = played(body, console)
    assert run.error["cause"] == {"name": "ValueError", "message": "I/O operation on closed file."}


def test_a_body_that_closes_the_standard_error_leaves_it_to_the_worker(console):
    said_by(lambda: sys.stderr.close(), console)

    assert not sys.stderr.closed
    print("the worker", file=sys.stderr)


class Broken(io.TextIOBase):
    """A console whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def closed_console() -> io.TextIOBase:
    console = io.StringIO()
    console.close()
    return console


CONSOLES = {
    "broken": Broken,
    "closed": closed_console,
    "missing": lambda: None,
    "full": lambda: open("/dev/full", "w"),  # noqa: SIM115 - pytest ends it
    "ascii": lambda: io.TextIOWrapper(io.BytesIO(), encoding="ascii"),
}


@pytest.mark.parametrize("make", CONSOLES.values(), ids=CONSOLES)
def test_a_console_that_fails_is_not_the_runs_error(make):
    console = make()

    def body() -> None:
        print("é", "x" * 20_000, flush=True)

    (line,) = said_by(body, console)
    assert line.startswith("é xxx")
    with contextlib.suppress(AttributeError, OSError, ValueError):
        console.close()


def test_a_character_that_the_console_has_not_is_printed_escaped():
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")

    assert said_by(lambda: print("é"), console) == ["é"]
    console.flush()
    assert console.buffer.getvalue() == b"\\xe9\n"


def test_a_handler_that_was_made_in_one_run_serves_the_next(console):
    kept: list[Any] = []
    said_by(lambda: kept.append(sys.stdout), console)

    assert said_by(lambda: kept[0].write("later\n"), console) == ["later"]
    kept[0].write("no run\n")
    assert what_is_on(console) == "later\nno run\n"


def test_dots_without_an_end_are_one_line_of_which_no_more_is_kept_than_is_looked_at(
    monkeypatch, console
):
    kept = []
    end_line = LogCapture.end_line

    def look(capture: LogCapture) -> None:
        kept.append(capture._line._text.tell())
        end_line(capture)

    monkeypatch.setattr(LogCapture, "end_line", look)

    def body() -> None:
        for _ in range(100_000):
            print(".", end="")

    (line,) = said_by(body, console)
    assert (len(line), line[-1], max(kept)) == (4_000, "…", MAX_LINE)


@pytest.mark.parametrize("before", [0, MAX_LINE - 6, MAX_LINE - 20])
def test_no_part_of_a_secret_is_left_where_a_long_line_is_cut(before, settings, console):
    secret = "correct horse battery staple"
    settings.JOBS = {**settings.JOBS, "SECRETS": ["KEY"]}
    settings.KEY = secret
    few = before // len(secret)

    def body() -> None:
        print("." * (before - few * len(secret)) + secret * (few + 2_400), end="")

    (line,) = said_by(body, console)
    assert line.strip(".…").replace("[KEY]", "").strip("[KEY") == ""


def test_what_a_forked_process_prints_and_logs_is_not_the_runs(console):
    def body() -> None:
        print("the worker")
        child = os.fork()
        if not child:
            print("the child")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)

    assert said_by(body, console) == ["the worker"]
    assert "the child" in what_is_on(console)


class Stubborn:
    """A stream of the body's own that nothing can be done with."""

    def write(self, text: str) -> int:
        raise KeyboardInterrupt("no writing")

    def flush(self) -> None:
        raise KeyboardInterrupt("no flushing")


def test_a_stream_that_a_body_leaves_in_the_place_of_the_output_goes_with_its_run(console):
    def body() -> None:
        sys.stdout = Stubborn()

    before = sys.stdout
    run = played(body, console)
    assert sys.stdout is before
    assert (run.status, run.error["name"]) == ("failed", "KeyboardInterrupt")
    assert said_by(lambda: print("of the next run"), console) == ["of the next run"]
