"""Follows runs in a terminal until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from jobs.control.results import RunFailed, result
from jobs.lib.error_places import author_place
from jobs.lib.excerpts import excerpt
from jobs.lib.json_values import ENCODER
from jobs.models import Reason, RunStatus, Step
from jobs.runs.state import RunState, runs_of

LOOK_INTERVAL = 0.3  # seconds between two looks
MAX_SHOWN = 500  # characters of an output
MIN_AHEAD = timedelta(seconds=5)  # of an event with a later time; more than two clocks differ

sleep, monotonic = time.sleep, time.monotonic


def follow(event_id: str, write: Callable[[str], object], limit: float | None) -> list[RunState]:
    """Write what becomes of an event's runs until all have ended, or for `limit` seconds; returns
    their states then."""
    deadline = None if limit is None else monotonic() + limit
    told: dict[object, str] = {}
    while True:
        states = runs_of(event_id)
        for state in states:
            line = in_words(state)
            if told.get(state.id) != line:
                told[state.id] = line
                write(f"  {state.fn_id}  {line}")
        is_late = deadline is not None and monotonic() >= deadline
        if is_late or not any(state.is_unfinished for state in states):
            return states
        sleep(LOOK_INTERVAL)


def in_words(state: RunState) -> str:
    """“waiting: sleeping, until 12:00:05”, “completed after 1.2 s: {…}”."""
    if state.is_unfinished:
        label = Reason(state.reason).label if state.reason in Reason.values else state.reason
        waits = f": {label}" if state.reason else ""
        return f"{state.status}{waits}{_until(state)}"
    took = f" after {_seconds(state.ended_at - state.created_at)}" if state.ended_at else ""
    return f"{state.status}{took}{_outcome(state)}"


def _until(state: RunState) -> str:
    if state.due_at is None:
        return ""
    when = f"{timezone.localtime(state.due_at):%Y-%m-%d %H:%M:%S %Z}"
    if state.reason in (Reason.SLEEP, Reason.BACKOFF):
        return f", until {when}"
    is_ahead = not state.reason and state.due_at > timezone.now() + MIN_AHEAD
    return f", due {when}" if is_ahead else ""


def _outcome(state: RunState) -> str:
    if state.status == RunStatus.COMPLETED:
        return f": {excerpt(ENCODER.encode(result(state.id)), MAX_SHOWN)}"
    error = RunFailed(state)
    name = "" if error.name == "StepError" else error.name  # it names the step's own error
    said = excerpt(": ".join(filter(None, [name, error.message])), MAX_SHOWN)
    place = author_place(_stack_of_the_step(state) or error.stack)
    return "".join([f": {said}" if said else "", f" ({place})" if place else ""])


def _stack_of_the_step(state: RunState) -> str:
    """Of the failed step that ended the run: a replayed step has no frames of its body."""
    name = (state.error or {}).get("step")
    failed = Step.objects.filter(run_id=state.id, name=name).first() if name else None
    return str((failed.error or {}).get("stack", "")) if failed else ""


def _seconds(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
