"""Pausing a function, and what becomes of the runs that it did not start meanwhile."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now

from jobs import events, hooks, registry
from jobs.control import rerun_once
from jobs.errors import InvalidTransition, UnknownFunction
from jobs.models import UNFINISHED, Reason, RegisteredFunction, Run, RunStatus

BATCH = 500


class Replayed(list[str]):
    """The ids of the runs that `replay_skipped` made, oldest first; `left_out` says how many
    skipped runs it left out, since they are hooks whose run has gone on."""

    left_out = 0


@transaction.atomic
def pause(fn_id: str, *, stop_running: bool = False) -> bool:
    """Start no more runs of a function: events that come are recorded as skipped runs.

    Runs that are unfinished go on to their end; with `stop_running` they stand still instead,
    each after the step that it is at, until `resume`. False if it was paused before (the choice
    for the unfinished runs is changed all the same).
    """
    _row(fn_id)
    paused = RegisteredFunction.objects.filter(fn_id=fn_id)
    changed = bool(paused.filter(paused_at__isnull=True).update(paused_at=Now()))
    paused.update(stands_still=stop_running)
    if stop_running:
        running = Run.objects.in_status(RunStatus.RUNNING).filter(fn_id=fn_id)
        running.update(stop_requested=True)
    else:
        _go_on(fn_id)
    return changed


@transaction.atomic
def resume(fn_id: str) -> bool:
    """Let a function start runs again, and those that stood still go on. False if it was not
    paused. What was skipped stays skipped until `replay_skipped`."""
    _row(fn_id)
    paused = RegisteredFunction.objects.filter(fn_id=fn_id, paused_at__isnull=False)
    changed = bool(paused.update(paused_at=None, stands_still=False))
    _go_on(fn_id)
    return changed


def replay_skipped(
    fn_id: str, *, since: datetime | None = None, until: datetime | None = None
) -> Replayed:
    """Start what was skipped while the function was paused, oldest first; returns the new runs.

    A skipped run that was replayed before is left alone, so calling this twice does no harm,
    at the same moment neither. A hook whose run has gone on since is left out, and counted in
    `left_out`. What a person starts runs also while the function is paused.
    """
    _row(fn_id)
    for moment in (since, until):
        if moment is not None and not (isinstance(moment, datetime) and moment.tzinfo):
            raise InvalidTransition(f"since and until are aware datetimes, not {moment!r:.80}.")
    skipped = Run.objects.filter(fn_id=fn_id, status=RunStatus.SKIPPED, reruns__isnull=True)
    if since is not None:
        skipped = skipped.filter(created_at__gte=since)
    if until is not None:
        skipped = skipped.filter(created_at__lt=until)
    ids = list(skipped.order_by("id").values_list("id", flat=True))
    replayed = Replayed()
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        left_out = hooks.outdated(batch)
        replayed.left_out += len(left_out)
        made = (rerun_once(run_id) for run_id in batch if run_id not in left_out)
        replayed.extend(again for again in made if again is not None)
    return replayed


def _go_on(fn_id: str) -> None:
    unfinished = Run.objects.in_status(*UNFINISHED).filter(fn_id=fn_id)
    unfinished.filter(stop_requested=True).update(stop_requested=False)
    unfinished.filter(reason=Reason.PAUSED).update(due_at=Now(), reason=Reason.NONE)
    events.wake_clusters()


def _row(fn_id: str) -> None:
    """Make sure that the function has its row; it need not be registered in this process."""
    if registry.knows(fn_id):
        function = registry.get(fn_id)
        RegisteredFunction.objects.get_or_create(
            fn_id=fn_id, defaults={"name": function.name, "config": function.config()}
        )
    elif not RegisteredFunction.objects.filter(fn_id=fn_id).exists():
        raise UnknownFunction(f"There is no function “{fn_id}”.")
