"""A function's log records and prints become log lines (README, “What a function says”), masked,
then cut. A line without an end is kept up to a size, a record that cannot be formatted in another
form.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO, cast

from jobs.execution.records import Row
from jobs.execution.standard_streams import MAX_LINE, CapturedStream, LentStream, end_lines
from jobs.execution.unit_of_work import UnitOfWork
from jobs.lib.error_report import fit_text, text_of
from jobs.lib.secrets import longest, mask_up_to
from jobs.runs.claimed_run import Claim
from jobs.runs.step_record import StepRecord

RUN = logging.getLogger("jobs.run")
MAX_LOG_LINES = 500  # of one execution
MESSAGE_LIMIT = 4_000  # characters
LEVEL_LIMIT = 16
ENGINES_OWN = ("django.db", "jobs.engine")


class _Thread(threading.local):
    capture: LogCapture | None = None


_this_thread = _Thread()


def _capture_text(text: str) -> bool:
    if _this_thread.capture is None:
        return False
    if text:
        _this_thread.capture.add_printed(text)
    return True


def _stop_capture() -> None:
    _this_thread.capture = None


os.register_at_fork(after_in_child=_stop_capture)


class LogCapture:
    """Lines of code that runs again are held: the next remembered step drops them. Without one
    (removed from the code) they are kept.
    """

    def __init__(
        self,
        claim: Claim,
        unit_of_work: UnitOfWork,
        attempt: Callable[[], int],
        *,
        replaying: bool,
    ) -> None:
        """`attempt` tells that of the code between steps."""
        self._claim = claim
        self._unit_of_work = unit_of_work
        self._step_name = ""
        self._attempt_between, self._attempt_of_step = attempt, 0
        self._count = 0
        self._replaying = replaying
        self._held: list[Row] = []
        self._line = _UnendedLine()

    def step_found(self, step: StepRecord, *, replaying: bool) -> None:
        if step.is_new:
            self._release()
        self._held.clear()
        self._replaying = replaying

    def enter(self, step_name: str, attempt: int) -> None:
        self._step_name, self._attempt_of_step, self._replaying = step_name, attempt, False

    def leave(self, *, replaying: bool) -> None:
        self.end_line()
        self._step_name, self._replaying = "", replaying

    def add(self, level: str, message: str) -> None:
        if self._count > MAX_LOG_LINES:
            return
        self._count += 1
        if self._count > MAX_LOG_LINES:
            level, message = "WARNING", f"More than {MAX_LOG_LINES} lines; the rest is left out."
        lines = self._held if self._replaying else self._unit_of_work.log_lines
        lines.append(
            {
                "step_name": self._step_name,
                "attempt": self._attempt_of_step if self._step_name else self._attempt_between(),
                "level": fit_text(level, LEVEL_LIMIT),
                "at": self._claim.clock.now(),
                "message": fit_text(message, MESSAGE_LIMIT),
            }
        )

    def add_printed(self, text: str) -> None:
        if self._count > MAX_LOG_LINES:
            return
        first, *others = str.split(text, "\n")
        self._line.add(first)
        for piece in others:
            self.add("PRINT", self._line.take())
            self._line.add(piece)

    def end_line(self) -> None:
        with contextlib.suppress(Exception):  # may be the body's own stream
            sys.stdout.flush()
        end_lines()
        if self._line:
            self.add("PRINT", self._line.take())

    def _release(self) -> None:
        self._unit_of_work.log_lines += self._held
        self._held.clear()

    @contextlib.contextmanager
    def capturing(self) -> Iterator[None]:
        """What is captured still reaches the console."""
        handler = _Handler(self)
        root = logging.getLogger()
        root.addHandler(handler)
        if RUN.level != logging.INFO:
            RUN.setLevel(logging.INFO)  # captured whatever the process logs
        streams, before = (sys.stdout, sys.stderr), _this_thread.capture
        if type(sys.stdout) is not CapturedStream:
            sys.stdout = cast(TextIO, CapturedStream(sys.stdout, _capture_text))
        if sys.stderr is not None:
            sys.stderr = cast(TextIO, LentStream(sys.stderr))
        _this_thread.capture = self
        try:
            yield
            self.end_line()  # perhaps on the code's own stream
        finally:
            _this_thread.capture = before
            sys.stdout, sys.stderr = streams
            root.removeHandler(handler)
            self.end_line()
            self._release()


class _UnendedLine:
    """A secret may begin where a long line is cut."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._is_cut = False

    def __bool__(self) -> bool:
        return self._text.tell() > 0

    def add(self, piece: str) -> None:
        if self._is_cut:
            return
        self._text.write(piece)
        if self._text.tell() > MAX_LINE + longest():
            masked = mask_up_to(MAX_LINE, self._text.getvalue())
            self._text, self._is_cut = io.StringIO(), True
            self._text.write(masked)

    def take(self) -> str:
        text, is_cut = self._text.getvalue(), self._is_cut
        self.__init__()  # type: ignore[misc]
        return f"{text}…" if is_cut else text


class _Handler(logging.Handler):
    def __init__(self, capture: LogCapture) -> None:
        super().__init__(logging.INFO)
        self._capture = capture

    def createLock(self) -> None:
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        if _this_thread.capture is self._capture and not _text(record.name).startswith(ENGINES_OWN):
            self._capture.add(_text(record.levelname), _message_of(record))


def _message_of(record: logging.LogRecord) -> str:
    try:
        return _text(record.getMessage())
    except Exception as error:
        reason = f"{type(error).__name__}: {text_of(error)}"
        return f"{_text(record.msg)} (its arguments cannot be put in: {reason})"


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"(a {type(value).__name__} that cannot be written: {type(error).__name__})"
