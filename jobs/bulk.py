"""Cancelling and rerunning many runs: a run of the engine's own does it, visibly."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from jobs import events, hooks, registry
from jobs.control import cancel, rerun, rerun_once
from jobs.errors import InvalidTransition, JobsError, UnknownFunction
from jobs.models import FINISHED, UNFINISHED, RegisteredFunction, Run, RunStatus

FUNCTION = "jobs-bulk"
EVENT = "jobs/bulk.requested"
BATCH = 500
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
    since: str | datetime = "",
    until: str | datetime = "",
    why: str = "",
) -> str:
    """Cancel, retry (from the failed step) or rerun (from the start) all runs that fit a filter.

    Returns the id of the run that does it; its output counts what was done, what was refused
    because it had changed meanwhile, and, if there were any, skipped hooks that were left out
    because their run has gone on. `since` and `until` (datetimes or ISO texts) are about when
    the runs were made; those that come after this call are not meant.
    """
    if action not in ALLOWED:
        raise InvalidTransition(f"{action!r} is no bulk action; cancel, retry and rerun are.")
    if status and status not in ALLOWED[action]:
        allowed = ", ".join(ALLOWED[action])
        raise InvalidTransition(f"Runs that are {status!r} cannot be asked to {action}: {allowed}.")
    wanted = {"fn_id": fn_id, "status": status, "since": _text(since), "until": _text(until)}
    asked = {"action": action, "filter": wanted, "why": why}
    sent = events.validated(events.Event(name=EVENT, data=asked))
    _refuse_unreadable(action, wanted)
    with transaction.atomic():
        (row,) = events.accept([sent])
        run = events.new_run(registry.get(FUNCTION), row, events.stored(sent, row))
        events.start([run])
    return str(run.id)


def _text(moment: str | datetime) -> str:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def _refuse_unreadable(action: Action, wanted: dict[str, str]) -> None:
    """Say now what would come to nothing later."""
    try:
        found = _matching(action, wanted).exists()
    except (ValidationError, ValueError) as problem:
        raise InvalidTransition(f"The filter {wanted} cannot be read: {problem}") from None
    fn_id = wanted["fn_id"]
    known = found or not fn_id or registry.knows(fn_id)
    if not known and not RegisteredFunction.objects.filter(fn_id=fn_id).exists():
        raise UnknownFunction(f"There is no function “{fn_id}”.")


def batch(action: Action, wanted: dict[str, str], after: str, why: str, own: str) -> dict[str, Any]:
    """Do the next batch of the runs that were there when it was asked for, each in a transaction
    of its own; a repeat after a crash is harmless, since what was done no longer fits. Skipped
    hooks whose run has gone on are left out."""
    asked_at = Run.objects.filter(id=own).values("created_at")
    runs = _matching(action, wanted).filter(created_at__lt=asked_at[:1]).order_by("id")
    if after:
        runs = runs.filter(id__gt=after)
    rows = list(runs.values_list("id", "status")[:BATCH])
    ids = [run_id for run_id, _ in rows]
    skipped = [run_id for run_id, status in rows if status == RunStatus.SKIPPED]
    left_out = hooks.outdated(skipped) if skipped else set()
    done = sum(_act(action, run_id, why) for run_id in ids if run_id not in left_out)
    return {
        "done": done,
        "refused": len(ids) - done - len(left_out),
        "left_out": len(left_out),
        "after": str(ids[-1]) if ids else after,
        "more": len(ids) == BATCH,
    }


def _act(action: Action, run_id: uuid.UUID, why: str) -> bool:
    """Whether it was done; not if the run has changed since it was listed."""
    try:
        if action == "cancel":
            return cancel(run_id, why=why)
        if action == "rerun":
            return rerun_once(run_id) is not None
        return bool(rerun(run_id))
    except JobsError:
        return False


def _matching(action: Action, wanted: dict[str, str]) -> QuerySet[Run]:
    statuses = [wanted["status"]] if wanted.get("status") else ALLOWED[action]
    runs: QuerySet[Run] = Run.objects.in_status(*statuses)
    if action == "rerun":
        runs = runs.filter(reruns__isnull=True)
    if wanted.get("fn_id"):
        runs = runs.filter(fn_id=wanted["fn_id"])
    if wanted.get("since"):
        runs = runs.filter(created_at__gte=wanted["since"])
    if wanted.get("until"):
        runs = runs.filter(created_at__lt=wanted["until"])
    return runs
