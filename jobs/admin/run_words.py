"""A run's state in a list's words: “In progress (step 3/5)”, “Failed (retry 3/3)”."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.admin.in_flight import InFlight
from jobs.admin.words import due, flight_in_words, reason_in_words, roughly, span
from jobs.models import Reason, Run, RunStatus

HOOKS = ("-failure", "-cancel", "-retry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    usual_steps: int | None = None  # of its function's last completed run
    retries: int | None = None  # how often its function tries a step again
    errors: int = 0  # attempts that erred
    failed_steps: int = 0  # of a failed run: they ended it, and its steps_done counts them
    flight: InFlight | None = None


def status_in_words(run: Run, now: datetime, known: Known) -> str:
    if run.status == RunStatus.RUNNING:
        return f"In progress ({at_step(run, known.usual_steps)})"
    if run.status == RunStatus.COMPLETED:
        return f"Completed ({roughly(took(run, now) or timedelta())})"
    if run.status == RunStatus.FAILED:
        return f"Failed ({retries_used(known)})"
    if run.status in (RunStatus.CANCELLED, RunStatus.SKIPPED):
        return RunStatus(run.status).label
    return waits(run, now, known)


def waits(run: Run, now: datetime, known: Known) -> str:
    if run.reason == Reason.BACKOFF:
        of = f"/{known.retries}" if known.retries is not None else ""
        return f"Backing off: retry {run.attempt}{of} {due(run, now)}"
    if run.reason == Reason.SLEEP:
        return f"Sleeping: goes on {due(run, now)}"
    if run.reason == Reason.FETCH and known.flight:
        return f"Waiting: {for_flight(known.flight, now)}"
    reason = reason_in_words(run).removeprefix("waiting ")
    return f"{RunStatus(run.status).label}: {reason or due(run, now)}"


def for_flight(flight: InFlight, now: datetime) -> str:
    """“HTTP in flight for 12 s, usually 30–70 s”."""
    return flight_in_words(flight, now, before_span=" for")


def steps_of(run: Run, known: Known) -> tuple[int, int]:
    """The completed ones, and all: the usual ones if known. steps_done counts those that failed."""
    completed = max(run.steps_done - known.failed_steps, 0)
    return completed, max(known.usual_steps or 0, completed + known.failed_steps)


def at_step(run: Run, usual: int | None) -> str:
    """“step 3/5”."""
    step = run.steps_done + 1
    return f"step {step}/{max(usual, step)}" if usual else f"step {step}"


def retries_used(known: Known) -> str:
    """“retry 3/3”: the try that failed for good."""
    used = max(known.errors - 1, 0)
    if not used:
        return "at the first try"
    if known.retries is None:
        return f"retry {used}"
    return f"retry {min(used, known.retries)}/{known.retries}"


def took(run: Run, now: datetime) -> timedelta | None:
    """From its first start to its end or to now, without `idle`."""
    if run.started_at is None:
        return None
    return (run.ended_at or now) - run.started_at - (run.idle or timedelta())


def took_in_words(run: Run, now: datetime) -> str:
    return span(took(run, now)) or "–"


def hook_parts(fn_ids: Iterable[str], known: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A name, and the end that makes it a known function's hook: “make-song”, “-failure”."""
    heads = set(known)
    found = {}
    for fn_id in set(fn_ids):
        head = max((fn_id.removesuffix(end) for end in HOOKS if fn_id.endswith(end)), default="")
        found[fn_id] = (head, fn_id.removeprefix(head)) if head in heads else (fn_id, "")
    return found
