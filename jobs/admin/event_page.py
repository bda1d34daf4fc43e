"""An event's page: its data, its runs, and the functions that it did not start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from jobs.admin import event_copies, json_tree
from jobs.admin.base import as_uuid, redirect_missing
from jobs.admin.html import run_status, undirected
from jobs.admin.words import STANDS_STILL
from jobs.control.permission_names import SEND_EVENT, VIEW_PAYLOAD, VIEW_RUN
from jobs.events.event import EventPayload
from jobs.lib.excerpts import excerpt
from jobs.lib.json_values import is_text
from jobs.metrics.failures import short_reason
from jobs.models import Event, Run, RunStatus
from jobs.registry import catalog, expressions
from jobs.registry.event_names import is_reserved

WHOLE, FRAGMENT = "admin/jobs/event/change_form.html", "admin/jobs/event/runs.html"
MAX_RUNS = 100


def page(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    identifier = as_uuid(unquote(object_id))
    event = Event.objects.filter(pk=identifier).first() if identifier else None
    if event is None:
        return redirect_missing(model_admin, request, object_id)
    may = request.user.has_perm
    context = {
        "event": event,
        "may_see_runs": may(VIEW_RUN),
        "may_see_data": may(VIEW_PAYLOAD),
    }
    context |= _runs(event)
    if request.headers.get("HX-Request") == "true":
        return TemplateResponse(request, FRAGMENT, context)
    return TemplateResponse(request, WHOLE, {**_frame(model_admin, request, event), **context})


def _frame(model_admin: Any, request: HttpRequest, event: Event) -> dict[str, Any]:
    find = request.GET.get("find", "")[:200]
    return {
        **model_admin.admin_site.each_context(request),
        "title": event.name,
        "subtitle": str(event.pk),
        "opts": model_admin.opts,
        "original": event,
        "find": find if is_text(find) else "",
        "tree": json_tree.tree(event.data, find if is_text(find) else ""),
        "text": undirected(excerpt(json.dumps(event.data, indent=2, ensure_ascii=False), 200_000)),
        "python": event_copies.as_python(event),
        "curl": event_copies.as_curl(request, event),
        "repeats": _repeats(event),
        "is_reserved": is_reserved(event.name),
        "may_send": request.user.has_perm(SEND_EVENT, event),
    }


def _runs(event: Event) -> dict[str, Any]:
    """The newest, oldest first, and why functions that the name triggers have none."""
    now = timezone.now()
    newest = (
        event.runs.annotate(stands_still=STANDS_STILL)
        .defer("output")
        .order_by("-id")[: MAX_RUNS + 1]
    )
    runs = sorted(newest, key=lambda run: run.pk)
    return {
        "now": now,
        "runs": [_run(run, now) for run in runs[-MAX_RUNS:]],
        "more": len(runs) > MAX_RUNS,
        "unmet": list(unmet(event, {run.fn_id for run in runs})),
        "is_moving": any(not run.is_finished for run in runs),
    }


def _run(run: Run, now: datetime) -> dict[str, Any]:
    end = run.ended_at or now
    is_failed = run.status == RunStatus.FAILED
    return {
        "run": run,
        "status": run_status(run, now),
        "reason": str(short_reason(run)) if is_failed else "",
        "took": end - run.started_at - (run.idle or end - end) if run.started_at else None,
    }


def _repeats(event: Event) -> dict[str, Any] | None:
    """Later events with this id and other data: how many, and the last."""
    if not event.repeat:
        return None
    count = event.repeat.get("count", 0)
    return {
        "times": "once" if count == 1 else f"{count:,} times",
        "at": event.repeat.get("at", ""),
        "data": str(event.repeat.get("data", "")),
    }


def unmet(event: Event, started: set[str]) -> Iterator[tuple[str, str]]:
    """The functions not started by this event, with reasons, by this process's code."""
    variables = {"event": EventPayload.of_row(event).as_json()}
    for function, triggers in catalog.triggered_by(event.name):
        for trigger in triggers if function.fn_id not in started else ():
            reason = expressions.why_not(trigger.if_exp or "true", variables)
            if reason is not None:
                yield function.fn_id, reason.text
