"""What a function says, by `ctx.logger`, `logging` or `print`, becomes log lines of its attempt."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from jobs.claims import Claim
from jobs.error_reports import storable
from jobs.journal import Journal
from jobs.records import Row, StepRecord

RUN = logging.getLogger("jobs.run")
MOST_LINES = 500  # of one execution
LINE_LIMIT = 4_000  # characters
LEVEL_LIMIT = 16


class LogCapture:
    """Collects the lines of one execution in its journal.

    While the function replays what it remembers, the code between its steps says again what it
    has said before. Such lines are held back: they are dropped when the next remembered step is
    met, and kept if none is met any more (it was removed from the code).
    """

    def __init__(self, claim: Claim, journal: Journal, *, replaying: bool) -> None:
        self._claim = claim
        self._journal = journal
        self._step_name = ""
        self._attempt = claim.attempt
        self._count = 0
        self._replaying = replaying
        self._held: list[Row] = []
        self._echo: _Echo | None = None

    def met(self, step: StepRecord, *, replaying: bool) -> None:
        """The function has come to a step, remembered or new."""
        if step.is_new:
            self._release()
        self._held.clear()
        self._replaying = replaying

    def enter(self, step_name: str, attempt: int) -> None:
        """The body of a step begins."""
        self._step_name, self._attempt, self._replaying = step_name, attempt, False

    def leave(self, *, replaying: bool) -> None:
        """It has ended."""
        self.end_line()
        self._step_name, self._attempt = "", self._journal.attempt
        self._replaying = replaying

    def end_line(self) -> None:
        """What was printed without a line's end is a line, too."""
        if self._echo is not None:
            self._echo.end_line()

    def say(self, level: str, message: str) -> None:
        if self._count > MOST_LINES:
            return
        self._count += 1
        if self._count > MOST_LINES:
            level, message = "WARNING", f"More than {MOST_LINES} lines; the rest is left out."
        (self._held if self._replaying else self._journal.lines).append(
            {
                "step_name": self._step_name,
                "attempt": self._attempt,
                "level": storable(level, LEVEL_LIMIT),
                "at": self._claim.clock.now(),
                "message": storable(message, LINE_LIMIT),
            }
        )

    def _release(self) -> None:
        self._journal.lines += self._held
        self._held.clear()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Catch this thread's log records and what it prints, which goes on to the console."""
        handler = _Handler(self)
        root = logging.getLogger()
        root.addHandler(handler)
        if RUN.level != logging.INFO:
            RUN.setLevel(logging.INFO)  # kept whatever the process logs
        console = sys.stdout
        sys.stdout = self._echo = _Echo(self, console)
        try:
            yield
        finally:
            self._echo.end_line()
            self._echo.flush()
            sys.stdout, self._echo = console, None
            root.removeHandler(handler)
            self._release()


class _Handler(logging.Handler):
    def __init__(self, capture: LogCapture) -> None:
        super().__init__(logging.INFO)
        self._capture = capture
        self._thread = threading.get_ident()

    def createLock(self) -> None:
        """None is needed: one thread is listened to, all others pass by."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and not record.name.startswith(
            ("django.db", "jobs.engine")
        ):
            try:
                self._capture.say(record.levelname, record.getMessage())
            except Exception:
                self.handleError(record)


class _Echo(io.TextIOBase):
    """A standard output that is read along, line by line; the console gets each line when it is
    whole, secrets masked."""

    def __init__(self, capture: LogCapture, console: TextIO) -> None:
        self._capture = capture
        self._console = console
        self._thread = threading.get_ident()
        self._pending = ""

    def write(self, text: str) -> int:
        if threading.get_ident() != self._thread:
            self._console.write(storable(text))
            return len(text)
        *lines, self._pending = (self._pending + text).split("\n")
        for line in lines:
            self._say(line, "\n")
        return len(text)

    def end_line(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, ""
            self._say(pending)

    def _say(self, line: str, end: str = "") -> None:
        self._console.write(storable(line) + end)
        self._capture.say("PRINT", line)

    def flush(self) -> None:
        self._console.flush()

    def isatty(self) -> bool:
        return False
