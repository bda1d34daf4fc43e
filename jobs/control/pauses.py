"""Pauses and resumes a function, and starts what was skipped meanwhile. The pause is in the
function's row. The statements that insert and claim runs read it there, so it holds in every
process.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from jobs.control.deadlines import start_deadline
from jobs.control.notes import clean_note
from jobs.control.reruns import rerun_once
from jobs.errors import InvalidTransition, UnknownFunction
from jobs.events import requester
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import is_name, named
from jobs.models import UNFINISHED, Reason, RegisteredFunction, Run, RunQuerySet, RunStatus
from jobs.platform.postgres import notifier
from jobs.registry import catalog
from jobs.registry.validation import NAME_LIMIT
from jobs.runs import hook_events, turns

BATCH = 500
NEVER_STARTED = Q(status=RunStatus.QUEUED, started_at=None)


class Replayed(list[str]):
    """The new runs' ids, oldest first; `left_out` counts outdated hooks."""

    left_out = 0


@transaction.atomic
def pause(fn_id: str, *, stop_running: bool = False, reason: str = "") -> bool:
    """Start no more runs of a function: its events make skipped runs; invoked runs are queued until
    `resume`; reruns start.

    Unfinished runs go on, or, with `stop_running`, stand still after their step until `resume`.
    False if it was paused before (`stop_running` still changes). `reason` is for the next
    operator: at most 500 characters.
    """
    _row(fn_id)
    reason = clean_note(reason, "The reason of a pause")
    if not stop_running:
        _ready(fn_id, but=_held(fn_id) & Q(reason=Reason.PAUSED))
    paused = RegisteredFunction.objects.filter(fn_id=fn_id)
    changed = bool(paused.filter(paused_at__isnull=True).update(paused_at=Now()))
    paused.update(stands_still=stop_running)
    if changed or reason:
        paused.update(pause_reason=reason, paused_by=requester.current_id())
    if stop_running:
        _stop_running(fn_id)
    else:
        _go_on(fn_id, but=_held(fn_id))
    return changed


@transaction.atomic
def resume(fn_id: str) -> bool:
    """Let a paused function start runs, and those that stood still go on; skipped runs wait for
    `replay_skipped`. False if it was not paused.
    """
    _row(fn_id)
    _ready(fn_id)
    paused = RegisteredFunction.objects.paused().filter(fn_id=fn_id)
    over = {"paused_at": None, "stands_still": False, "pause_reason": "", "paused_by": ""}
    changed = bool(paused.update(**over))
    _go_on(fn_id)
    return changed


def replay_skipped(
    fn_id: str, *, since: datetime | None = None, until: datetime | None = None
) -> Replayed:
    """Start a function's skipped runs, oldest first, even if it is paused; returns the new runs.

    Each is replayed once, also by concurrent calls. `left_out` counts outdated hooks.
    """
    _row(fn_id)
    for moment in (since, until):
        if moment is not None and not (
            isinstance(moment, datetime) and moment.utcoffset() is not None
        ):
            raise InvalidTransition(f"since and until are aware datetimes, not {quoted(moment)}.")
    skipped = Run.objects.replayable(fn_id)
    if since is not None:
        skipped = skipped.filter(created_at__gte=since)
    if until is not None:
        skipped = skipped.filter(created_at__lt=until)
    ids = list(skipped.order_by("id").values_list("id", flat=True))
    replayed = Replayed()
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        left_out = hook_events.outdated(batch)
        replayed.left_out += len(left_out)
        made = (rerun_once(run_id) for run_id in batch if run_id not in left_out)
        replayed.extend(again for again in made if again is not None)
    return replayed


def _held(fn_id: str) -> Q:
    paused_at = RegisteredFunction.objects.filter(fn_id=fn_id).values("paused_at")[:1]
    return Q(invoked_by__isnull=False, started_at=None, created_at__gte=paused_at)


def _stop_running(fn_id: str) -> None:
    """Runs that never started have no deadline: each sweep would pass by all whose time is over."""
    unfinished = Run.objects.in_status(*UNFINISHED).filter(fn_id=fn_id)
    is_running, has_deadline = Q(status=RunStatus.RUNNING), Q(expires_at__isnull=False)
    unfinished.filter(is_running | NEVER_STARTED & has_deadline).lock_in_order()
    unfinished.filter(is_running).update(stop_requested=True)
    unfinished.filter(NEVER_STARTED & has_deadline).update(expires_at=None)


def _go_on(fn_id: str, but: Q | None = None) -> None:
    unfinished = Run.objects.in_status(*UNFINISHED).filter(fn_id=fn_id)
    _lock_begun(unfinished)
    unfinished.filter(stop_requested=True).update(stop_requested=False)
    still = unfinished.filter(reason=Reason.PAUSED).exclude(but or Q(pk__in=[]))
    fresh = still.filter(started_at=None, expires_at=None)
    fresh.update(expires_at=start_deadline(fn_id), ready_at=Now())
    still.update(due_at=Now(), reason=Reason.NONE)
    notifier.tell_clusters()


def _lock_begun(unfinished: RunQuerySet) -> None:
    """All that an answer may wake and that are changed here, newest first, as others lock them
    (events.wake). Runs that never began wait for no answer."""
    paused = Q(reason=Reason.PAUSED, started_at__isnull=False)
    unfinished.filter(Q(stop_requested=True) | paused).lock_in_order()


def _ready(fn_id: str, but: Q | None = None) -> None:
    """Runs that stood still and never started get all of `timeouts.start` again, `but` those that
    the pause holds still."""
    stood = RegisteredFunction.objects.filter(fn_id=fn_id, stands_still=True).first()
    if stood is None or stood.paused_at is None:
        return
    waiting = Run.objects.in_status(RunStatus.QUEUED).filter(NEVER_STARTED, fn_id=fn_id)
    waiting = waiting.exclude(but or Q(pk__in=[]))
    waiting.lock_in_order()
    parked = list(waiting.filter(reason=Reason.TURN).values_list("id", flat=True))
    waiting.update(ready_at=Greatest("ready_at", Now()))
    transaction.on_commit(partial(turns.wake_passed_by, parked), robust=True)
    start = stood.config.get("timeouts", {}).get("start")
    if start is not None:
        waiting.update(expires_at=F("ready_at") + timedelta(seconds=start))


def _row(fn_id: str) -> None:
    """Make sure of the row, also of a function unknown here."""
    if not is_name(fn_id, NAME_LIMIT):
        raise UnknownFunction(f"There is no function {named(fn_id)}.{catalog.meant(fn_id)}")
    if catalog.knows(fn_id):
        function = catalog.get(fn_id)
        RegisteredFunction.objects.get_or_create(
            fn_id=fn_id, defaults={"name": function.name, "config": function.config()}
        )
    elif not RegisteredFunction.objects.filter(fn_id=fn_id).exists():
        rows = RegisteredFunction.objects.values_list("fn_id", flat=True)
        raise UnknownFunction(f"There is no function “{fn_id}”.{catalog.meant(fn_id, rows)}")
