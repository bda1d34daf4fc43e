"""Cancelling and rerunning many runs: a run of the engine's own does it, visibly."""

from __future__ import annotations

from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from jobs import events, registry
from jobs.control import cancel, rerun
from jobs.errors import InvalidTransition, JobsError
from jobs.models import FINISHED, UNFINISHED, Run, RunStatus

FUNCTION = "jobs-bulk"
EVENT = "jobs/bulk.requested"
BATCH = 100
MOST_BATCHES = 900  # of one run, within the limit of its steps

Action = Literal["cancel", "retry", "rerun"]
ALLOWED = {
    "cancel": [str(status) for status in UNFINISHED],
    "retry": [str(RunStatus.FAILED), str(RunStatus.CANCELLED)],
    "rerun": [str(status) for status in FINISHED],
}


def bulk(
    action: Action,
    *,
    fn_id: str = "",
    status: str = "",
    since: str = "",
    until: str = "",
    why: str = "",
) -> str:
    """Cancel, retry (from the failed step) or rerun (from the start) all runs that fit a filter.

    Returns the id of the run that does it; its output counts what was done and what was refused
    because it had changed meanwhile. `since` and `until` are ISO times of the runs' creation.
    """
    if action not in ALLOWED:
        raise InvalidTransition(f"{action!r} is no bulk action; cancel, retry and rerun are.")
    if status and status not in ALLOWED[action]:
        allowed = ", ".join(ALLOWED[action])
        raise InvalidTransition(f"Runs that are {status!r} cannot be asked to {action}: {allowed}.")
    wanted = {"fn_id": fn_id, "status": status, "since": since, "until": until}
    sent = events.Event(name=EVENT, data={"action": action, "filter": wanted, "why": why})
    count(action, **wanted)  # a filter that cannot be read is said now
    with transaction.atomic():
        (row,) = events.accept([events.validated(sent)])
        run = events.new_run(registry.get(FUNCTION), row, events.stored(sent, row))
        events.start([run])
    return str(run.id)


def count(action: Action, **wanted: str) -> int:
    """How many runs a bulk action would be about now."""
    try:
        return _matching(action, wanted).count()
    except (ValidationError, ValueError) as problem:
        raise InvalidTransition(f"The filter {wanted} cannot be read: {problem}") from None


def batch(action: Action, wanted: dict[str, str], after: str, why: str, own: str) -> dict[str, Any]:
    """Do the next batch, each run in a transaction of its own; a repeat after a crash is harmless,
    since what was done no longer fits."""
    runs = _matching(action, wanted).exclude(id=own).order_by("id")
    if after:
        runs = runs.filter(id__gt=after)
    ids = list(runs.values_list("id", flat=True)[:BATCH])
    refused = 0
    for run_id in ids:
        try:
            _act(action, run_id, why)
        except JobsError:
            refused += 1
    last = str(ids[-1]) if ids else after
    return {
        "done": len(ids) - refused,
        "refused": refused,
        "after": last,
        "more": len(ids) == BATCH,
    }


def _act(action: Action, run_id: Any, why: str) -> None:
    if action == "cancel":
        cancel(run_id, why=why)
    else:
        rerun(run_id, from_start=action == "rerun")


def _matching(action: Action, wanted: dict[str, str]) -> QuerySet[Run]:
    statuses = [wanted["status"]] if wanted.get("status") else ALLOWED[action]
    runs = Run.objects.filter(status__in=statuses)
    if action == "rerun":
        runs = runs.filter(reruns__isnull=True)
    if wanted.get("fn_id"):
        runs = runs.filter(fn_id=wanted["fn_id"])
    if wanted.get("since"):
        runs = runs.filter(created_at__gte=wanted["since"])
    if wanted.get("until"):
        runs = runs.filter(created_at__lt=wanted["until"])
    return runs
