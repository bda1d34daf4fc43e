"""Cancelling runs by an event (`cancel_on`): those whose own event came earlier, by the database's
clock, and within one send by order. A rerun counts from its making. Invoked runs go on.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Greatest, Now

from jobs import models
from jobs.control.cancellation import cancel
from jobs.control.cancellation_sets import cancel_in_sets
from jobs.control.permission_names import CANCEL_RUN
from jobs.errors import InvalidTransition, NotAllowed
from jobs.events import condition_problems, requester
from jobs.events.condition_problems import Place
from jobs.events.event import EventPayload
from jobs.lib.durations import seconds
from jobs.platform.postgres import statements
from jobs.registry import catalog, options
from jobs.registry.function import Function

BATCH = 200


def batch(event: dict[str, Any], after: str, own: str) -> dict[str, Any]:
    """Cancel what the event means among the next unfinished runs, in transactions of their own.
    The account of its run `own` must be allowed to cancel.
    """
    asker = requester.current()
    if reason := asker.refusal(CANCEL_RUN):
        return {"cancelled": 0, "after": after, "more": False, "reason": reason}
    rules = catalog.cancelled_by(event["name"])
    came = models.Run.objects.select_related("event").get(id=own).event
    candidates = _candidates(came, [function.fn_id for function, _ in rules], after)
    with statements.reading_by_index():
        runs = list(candidates[:BATCH])
    with requester.asking(asker):
        meant = [run for run in runs if _is_meant(run, event, came.id, rules)]
        condition_problems.report()
        cancelled = _cancel(meant, f"An event “{event['name']}” came.")
    last = str(runs[-1].id) if runs else after
    return {"cancelled": cancelled, "after": last, "more": len(runs) == BATCH}


def _candidates(came: models.Event, fn_ids: list[str], after: str) -> QuerySet[models.Run]:
    at = came.received_at
    before = Q(event__received_at__lt=at) | Q(event__received_at=at, event_id__lt=came.id)
    made = Q(rerun_of=None) | Q(created_at__lt=at)
    unfinished = models.Run.objects.in_status(*models.UNFINISHED).filter(fn_id__in=fn_ids)
    if after:
        unfinished = unfinished.filter(id__gt=after)
    return unfinished.filter(before, made).select_related("event").order_by("id")


def _is_meant(
    run: models.Run,
    event: dict[str, Any],
    event_id: uuid.UUID,
    rules: Sequence[tuple[Function, options.Cancel]],
) -> bool:
    variables = {"event": EventPayload.of_row(run.event).as_json(), "async": event}
    return any(
        function.fn_id == run.fn_id and _applies(rule, run, variables, event_id)
        for function, rule in rules
    )


def _cancel(runs: list[models.Run], why: str) -> int:
    asker = requester.current()
    allowed = [run for run in runs if not asker.refusal(CANCEL_RUN, run)]
    left = cancel_in_sets([run.id for run in allowed], why)
    done = len(allowed) - len(left)
    for run_id in sorted(left):
        with contextlib.suppress(InvalidTransition, NotAllowed):
            done += cancel(run_id, why=why)
    return done


def _applies(
    rule: options.Cancel, run: models.Run, variables: dict[str, Any], event_id: uuid.UUID
) -> bool:
    where = f"cancel_on of “{run.fn_id}”, run {run.id}, event {variables['async']['id']}"
    if rule.if_exp is not None and not condition_problems.holds(
        run.fn_id, Place.CANCEL_ON, rule.if_exp, variables, event_id, where
    ):
        return False
    if rule.timeout is None:
        return True
    youngest = Now() - timedelta(seconds=seconds(rule.timeout))
    ages = models.Run.objects.annotate(ready=Greatest("created_at", "ready_at"))
    return ages.filter(id=run.id, ready__gte=youngest).exists()
