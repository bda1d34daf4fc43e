"""A run's result, for code outside of functions: at once, or after a bounded wait.

1. A wait polls by the primary key, outside any transaction: it locks nothing, and leaves no
   connection idle in a transaction. Ends of runs send no NOTIFY, which would make all commits of
   the server take turns (notifier).
2. It is refused in a transaction, whose commit the run may wait for, and in a function, where it
   would hold a worker.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from datetime import timedelta
from typing import Any

from django.db import connection

from jobs.errors import InvalidStep, JobsError
from jobs.execution.step_runner import current_runner
from jobs.lib.excerpts import quoted
from jobs.lib.numbers import is_number
from jobs.models import RunStatus
from jobs.runs.state import OutputRow, RunState, read

MAX_WAIT = 300.0  # seconds
FIRST_LOOK, LAST_LOOK, SLOWER = 0.01, 0.5, 1.5  # seconds between two looks, and their growth

sleep, monotonic = time.sleep, time.monotonic


class CannotWait(JobsError):
    """The end of a run cannot be waited for here, or not so long."""


class RunUnfinished(JobsError):
    """The run has not ended in time; it goes on. `state` is its RunState."""

    state: RunState

    def __init__(self, state: RunState, seconds: float) -> None:
        self.state = state
        why = f" ({state.reason})" if state.reason else ""
        within = f" after {seconds:g} s" if seconds else ""
        super().__init__(
            f"Run {state.id} of “{state.fn_id}” has not ended{within}: it is {state.status}{why}."
        )


class RunFailed(JobsError):
    """The run failed, was cancelled or was skipped.

    `state` is its RunState; `name`, `message`, `stack`, `code` and `status_code` are its error's,
    and empty without one.
    """

    state: RunState
    name: str
    message: str
    stack: str

    def __init__(self, state: RunState) -> None:
        self.state = state
        error = state.error if isinstance(state.error, dict) else {}
        self.name, self.message = str(error.get("name", "")), str(error.get("message", ""))
        self.stack = str(error.get("stack", ""))
        why = ": ".join(filter(None, [self.name, self.message]))
        how = "failed" if state.status == RunStatus.FAILED else f"was {state.status}"
        super().__init__(
            f"Run {state.id} of “{state.fn_id}” {how}{f': {why}' if why else '.'}",
            code=str(error.get("code", "")),
            status_code=error.get("status_code"),
        )


def result(run_id: str | uuid.UUID, *, wait: float | timedelta = 0.0) -> Any:
    """What the run's function returned (JSON), after at most `wait` seconds (0 to 300).

    Raises UnknownRun, RunUnfinished if it has not ended by then, RunFailed if it failed, was
    cancelled or skipped; and for `wait` CannotWait inside a transaction, InvalidStep in a function.
    """
    seconds = _seconds(wait)
    if seconds:
        _refuse_waiting()
    row = _read_until_ended(run_id, monotonic() + seconds)
    state = RunState.of_row(row.state)
    if state.is_unfinished:
        raise RunUnfinished(state, seconds)
    if state.status != RunStatus.COMPLETED:
        raise RunFailed(state)
    return None if row.output is None else json.loads(row.output)


def _read_until_ended(run_id: str | uuid.UUID, deadline: float) -> OutputRow:
    pause = FIRST_LOOK
    while True:
        row = read(run_id)
        left = deadline - monotonic()
        if row.state.ended_at is not None or left <= 0:
            return row
        sleep(min(pause, left))
        pause = min(pause * SLOWER, LAST_LOOK)


def _seconds(wait: Any) -> float:
    seconds: Any = wait.total_seconds() if isinstance(wait, timedelta) else wait
    if not is_number(seconds) or not math.isfinite(seconds) or not 0 <= seconds <= MAX_WAIT:
        raise CannotWait(
            f"result(wait={quoted(wait)}): allowed are 0 to {MAX_WAIT:.0f} seconds, as a number or "
            "a timedelta. To wait longer, ask again."
        )
    return float(seconds)


def _refuse_waiting() -> None:
    if current_runner() is not None:
        raise InvalidStep(
            "result(wait=…) was called in a function, where it would hold a worker. Let the "
            "function call the other one: ctx.step.invoke() waits without one."
        )
    if connection.in_atomic_block or not connection.get_autocommit():
        raise CannotWait(
            "result(wait=…) was called inside a transaction: what was sent in it starts only when "
            "it commits. Call it after the transaction, or without wait=. In a test, call "
            "jobs.testing.drain() first."
        )
