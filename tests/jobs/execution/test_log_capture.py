"""Law 11: what a function says becomes log lines of its attempt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest

from jobs.api import Context
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, ran, registered, the_run

pytestmark = pytest.mark.django_db


def said(run) -> list[tuple[str, str, str]]:
    return [(line.step_name, line.level, line.message) for line in run.log_lines.all()]


def test_logger_logging_and_print_are_kept_with_level_and_step():
    def body(ctx: Context) -> None:
        ctx.logger.info("by %s", "logger")
        logging.getLogger("songs.anything").warning("by logging")
        print("by", "print")

    def handler(ctx: Context) -> None:
        ctx.logger.error("outside")
        ctx.step.run("one", body, ctx)

    assert said(ran(handler)) == [
        ("", "ERROR", "outside"),
        ("one", "INFO", "by logger"),
        ("one", "WARNING", "by logging"),
        ("one", "PRINT", "by print"),
    ]


def test_a_line_knows_its_attempt_and_a_failed_attempts_lines_stay():
    diary = Diary()

    def body() -> None:
        print("trying")
        diary.fail_times("one", 1)

    with registered(lambda ctx: ctx.step.run("one", body)):
        go()
        drain()
        travel(timedelta(seconds=2))
        drain()
    lines = the_run().log_lines.values_list("attempt", "message")
    assert list(lines) == [(0, "trying"), (1, "trying")]


def test_a_line_between_the_steps_of_a_branch_has_the_branchs_attempt_and_not_its_neighbours():
    diary = Diary()

    def flaky(ctx: Context) -> None:
        ctx.step.run("flaky", diary.fail_times, "flaky", 1)

    def neighbour(ctx: Context) -> None:
        ctx.step.sleep("nap", 5)
        print(f"the neighbour at {ctx.attempt}")
        ctx.step.run("next", diary.write, "next")

    def handler(ctx: Context) -> None:
        ctx.step.parallel([partial(flaky, ctx), partial(neighbour, ctx)])

    run = ran(handler, skip_time=True, backoff=[60])
    assert run.attempts.filter(step_name="flaky").count() == 2
    assert list(run.log_lines.values_list("attempt", "message")) == [(0, "the neighbour at 0")]


def test_replay_says_nothing_twice():
    def handler(ctx: Context) -> None:
        print("begin")
        ctx.step.run("one", lambda: print("in one"))
        print("between")
        ctx.step.sleep("nap", 60)
        print("awake")
        ctx.step.sleep("again", 60)
        print("end")

    with registered(handler):
        go()
        for _ in range(3):
            drain()
            travel(timedelta(minutes=1))
    messages = [line.message for line in the_run().log_lines.all()]
    assert messages == ["begin", "in one", "between", "awake", "end"]


def test_a_print_of_several_lines_is_several_and_an_unended_one_is_one():
    def body() -> None:
        print("a\nb")
        print("c", end="")
        print("d", end="")

    run = ran(lambda ctx: ctx.step.run("one", body))
    assert [line.message for line in run.log_lines.all()] == ["a", "b", "cd"]
    assert {line.step_name for line in run.log_lines.all()} == {"one"}


def test_too_many_lines_are_cut_with_a_note():
    def body() -> None:
        for number in range(700):
            print(number)

    lines = ran(lambda ctx: ctx.step.run("one", body)).log_lines.order_by("id")
    assert lines.count() == 501
    assert lines[499].message == "499"
    assert (lines[500].level, lines[500].message[:18]) == ("WARNING", "More than 500 line")


def test_a_long_line_is_cut():
    line = ran(lambda ctx: ctx.step.run("one", lambda: print("a" * 9_000))).log_lines.get()
    assert (len(line.message), line.message[-1]) == (4_000, "…")


@pytest.mark.parametrize("text", ["nul \0 inside", "half \ud800", "“quotes” 🎵"])
def test_any_text_can_be_said(text, capsys):
    assert ran(lambda ctx: ctx.step.run("one", lambda: print(text))).log_lines.count() == 1
    capsys.readouterr()


def test_what_other_threads_say_is_not_the_runs():
    def body() -> None:
        thread = threading.Thread(target=lambda: logging.getLogger("other").warning("not mine"))
        thread.start()
        thread.join()

    assert said(ran(lambda ctx: ctx.step.run("one", body))) == []


def test_info_reaches_the_run_whatever_the_process_logs():
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        run = ran(lambda ctx: ctx.logger.info("kept"))
    finally:
        root.setLevel(level)
    assert said(run) == [("", "INFO", "kept")]


def test_the_console_gets_what_is_printed(capsys):
    ran(lambda ctx: ctx.step.run("one", lambda: print("both")))

    assert "both" in capsys.readouterr().out


class Mute:
    def __str__(self) -> str:
        raise ValueError("no words")


@contextmanager
def no_handler_of_pytests() -> Iterator[None]:
    """Its own raise what a record that cannot be put together raises; others write it down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", [])
        yield


ODD = {
    "wrong arguments": (("%d of %d", "one"), "%d of %d (its arguments cannot be put in: TypeError"),
    "an argument without words": (("%s", Mute()), "%s (its arguments cannot be put in: ValueError"),
    "a message without words": ((Mute(),), "(a Mute that cannot be written: ValueError)"),
    "a number": ((7,), "7"),
}


@pytest.mark.parametrize(("said_so", "kept"), ODD.values(), ids=ODD)
def test_a_record_that_cannot_be_put_together_is_kept_as_it_can_be_read(said_so, kept):
    with no_handler_of_pytests():
        run = ran(lambda ctx: ctx.step.run("one", lambda: ctx.logger.warning(*said_so)))

    assert run.status == "completed"
    assert run.log_lines.get().message.startswith(kept)


LEVELS = {
    "long": ("L" * 300, "L" * 15 + "…"),
    "with a NUL": ("a\0b", "a\\0b"),
    "half a character": ("\ud800", "\\ud800"),
    "a number": (7, "7"),
    "nothing": (None, "None"),
    "without words": (Mute(), "(a Mute that ca…"),
}


@pytest.mark.parametrize(("name", "kept"), LEVELS.values(), ids=LEVELS)
def test_a_level_of_any_name_is_kept_as_it_can_be_read(name, kept):
    def body() -> None:
        record = logging.makeLogRecord({"msg": "said", "levelno": 35, "levelname": name})
        logging.getLogger().handle(record)

    with no_handler_of_pytests():
        line = ran(lambda ctx: ctx.step.run("one", body)).log_lines.get()
    assert (line.level, line.message) == (kept, "said")
