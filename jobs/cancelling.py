"""Cancelling runs because of an event (`cancel_on`).

An event cancels runs whose own event came before it: by the database's clock, and within one send
in the order in which they were given, which is that of their ids. A person's rerun counts from
when it was asked for. Runs that a cancelled run has invoked go on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Greatest, Now

from jobs import askers, events, expressions, models, registry
from jobs.control import cancel
from jobs.errors import InvalidTransition, NotAllowed
from jobs.options import seconds

BATCH = 200


def batch(event: dict[str, Any], after: str, own: str) -> dict[str, Any]:
    """Look at the next unfinished runs that this event may cancel; each in its own transaction.
    `own` is the id of the run that the event has started for this.

    None is cancelled where a person who may not cancel asked for this run, or for the run that sent
    the event.
    """
    asker = askers.current()
    if reason := asker.refusal("jobs.cancel_run"):
        return {"cancelled": 0, "after": after, "more": False, "reason": reason}
    rules = registry.cancelled_by(event["name"])
    came = models.Run.objects.select_related("event").get(id=own).event
    runs = list(_candidates(came, [function.fn_id for function, _ in rules], after)[:BATCH])
    with askers.asking(asker):
        cancelled = sum(_cancel(run, event, rules) for run in runs)
    last = str(runs[-1].id) if runs else after
    return {"cancelled": cancelled, "after": last, "more": len(runs) == BATCH}


def _candidates(came: models.Event, fn_ids: list[str], after: str) -> QuerySet[models.Run]:
    """Unfinished runs that were there when the event came."""
    at = came.received_at
    before = Q(event__received_at__lt=at) | Q(event__received_at=at, event_id__lt=came.id)
    made = Q(rerun_of=None) | Q(created_at__lt=at)
    unfinished = models.Run.objects.in_status(*models.UNFINISHED).filter(fn_id__in=fn_ids)
    if after:
        unfinished = unfinished.filter(id__gt=after)
    return unfinished.filter(before, made).select_related("event").order_by("id")


def _cancel(
    run: models.Run, event: dict[str, Any], rules: list[tuple[registry.Function, registry.Cancel]]
) -> bool:
    variables = {"event": events.as_json(run.event), "async": event}
    for function, rule in rules:
        if function.fn_id == run.fn_id and _applies(rule, run, variables):
            try:
                return cancel(run.id, why=f"An event “{event['name']}” came.")
            except (InvalidTransition, NotAllowed):
                return False
    return False


def _applies(rule: registry.Cancel, run: models.Run, variables: dict[str, Any]) -> bool:
    where = f"cancel_on of “{run.fn_id}”, run {run.id}, event {variables['async']['id']}"
    if rule.if_exp is not None and not expressions.holds(rule.if_exp, variables, where):
        return False
    if rule.timeout is None:
        return True
    youngest = Now() - timedelta(seconds=seconds(rule.timeout))
    ages = models.Run.objects.annotate(ready=Greatest("created_at", "ready_at"))
    return ages.filter(id=run.id, ready__gte=youngest).exists()
