"""What a step's process forks is a process of its own, and never goes on as if it were the worker.

1. A copy that comes to the end of the function's code ends there, with its exit code: it has no
   lease, no records to write, and no right to the connection.
2. The connections that it has inherited are its parent's. They are taken out of its sight and their
   sockets closed without a word, so that the server hears nothing of it; Django opens others when
   the copy asks for one.
3. Of the worker's handlers of signals none is meant for it: SIGTERM ends it, as `terminate()` of
   multiprocessing's processes and pools expects.
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
_inherited: list[Any] = []  # never collected: a destructor would speak to the parent's server


def depth() -> int:
    """How many forks lie between this process and the first one: another number, another process
    than the one that has asked before."""
    return _depth


class OnlyHere:
    """A block that is left by the process alone that has entered it: a copy that was forked in it
    ends where it would leave it (see 1)."""

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
    """End this process as Python does with this error, without what its parent has registered for
    its own end."""
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


def release() -> None:
    """From now on, what this process forks is a process of its own: see (2) and (3)."""
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
