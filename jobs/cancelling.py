"""Cancelling runs because of an event (`cancel_on`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs import askers, events, expressions, models, registry
from jobs.control import cancel
from jobs.errors import InvalidTransition, NotAllowed
from jobs.options import seconds

BATCH = 200


def batch(event: dict[str, Any], after: str) -> dict[str, Any]:
    """Look at the next unfinished runs that this event may cancel; each in its own transaction.

    None is cancelled where a person who may not cancel asked for this run, or for the run that sent
    the event.
    """
    asker = askers.current()
    if reason := asker.refusal("jobs.cancel_run"):
        return {"cancelled": 0, "after": after, "more": False, "reason": reason}
    rules = registry.cancelled_by(event["name"])
    runs = list(_candidates(event, [function.fn_id for function, _ in rules], after)[:BATCH])
    with askers.asking(asker):
        cancelled = sum(_cancel(run, event, rules) for run in runs)
    last = str(runs[-1].id) if runs else after
    return {"cancelled": cancelled, "after": last, "more": len(runs) == BATCH}


def _candidates(event: dict[str, Any], fn_ids: list[str], after: str) -> QuerySet[models.Run]:
    """Unfinished runs whose own event was accepted before this one."""
    unfinished = models.Run.objects.in_status(*models.UNFINISHED).filter(fn_id__in=fn_ids)
    before = unfinished.filter(created_at__lt=_accepted_at(event))
    if after:
        before = before.filter(id__gt=after)
    return before.select_related("event").order_by("id")


def _accepted_at(event: dict[str, Any]) -> Any:
    rows = models.Event.objects.filter(name=event["name"]).order_by("-id")
    by_sender = rows.filter(dedupe_id=event["id"]).values_list("received_at", flat=True).first()
    return by_sender or models.Event.objects.values_list("received_at", flat=True).get(
        id=event["id"]
    )


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
    if rule.if_exp is not None and not expressions.holds(rule.if_exp, variables):
        return False
    if rule.timeout is None:
        return True
    youngest = Now() - timedelta(seconds=seconds(rule.timeout))
    return models.Run.objects.filter(id=run.id, created_at__gte=youngest).exists()
