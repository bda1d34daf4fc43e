"""A process that a step forks never continues as the worker.

1. A copy exits at the end of the function's code: it has no lease, no records to write, no right to
   the connection.
2. Its parent's connections are hidden, their sockets closed without a word to the server. Django
   opens others on demand.
3. SIGTERM ends it without the worker's handlers, as multiprocessing's `terminate()` expects.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from types import TracebackType
from typing import Any, NoReturn

from django.db import connections

_depth = 0
_inherited: list[Any] = []  # never collected: a destructor would write to the parent's server


def depth() -> int:
    """Forks since the first process."""
    return _depth


class OnlyHere:
    """A copy ends at the block's end (1)."""

    def __enter__(self) -> None:
        self._entered_at = _depth

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if _depth != self._entered_at:
            end(error)


def end(error: BaseException | None) -> NoReturn:
    """Exit as Python does, without the parent's exit handlers."""
    code = 0 if error is None else _code_of(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def _code_of(error: BaseException) -> int:
    if not isinstance(error, SystemExit):
        with contextlib.suppress(Exception):
            traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    with contextlib.suppress(Exception):
        print(error.code, file=sys.stderr)
    return 1


def install() -> None:
    """Apply (2) and (3) to all later forks."""
    os.register_at_fork(after_in_child=_be_of_ones_own)


def _be_of_ones_own() -> None:
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    for wrapper in connections.all(initialized_only=True):
        _inherited.append(wrapper)
        if wrapper.connection is not None:
            with contextlib.suppress(OSError, wrapper.Database.Error):  # type: ignore[attr-defined]
                os.close(wrapper.connection.fileno())
        del connections[wrapper.alias]


def _one_more() -> None:
    global _depth
    _depth += 1


os.register_at_fork(after_in_child=_one_more)
