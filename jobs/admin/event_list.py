"""Events by name, with their runs, and one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from jobs.admin import event_query
from jobs.admin.event_query import STATES, EventQuery
from jobs.control.permission_names import SEND_EVENT, VIEW_RUN
from jobs.metrics.event_names import MAX_COUNT, event_names
from jobs.metrics.spans import DEFAULT_SPAN, SPANS
from jobs.models import Event
from jobs.platform.postgres.clock import database_clock

WHOLE, FRAGMENT = "admin/jobs/event/change_list.html", "admin/jobs/event/rows.html"
MAX_CHIPS = 8  # runs of an event
MAX_READ = 100
# Ordered here: asked for the order, PostgreSQL might walk through all runs by their id.
RUNS = """
SELECT r.* FROM unnest(%(ids)s::uuid[]) AS listed(id) CROSS JOIN LATERAL (
  SELECT event_id, id, fn_id, status FROM jobs_run WHERE event_id = listed.id LIMIT %(most)s) AS r
"""


def page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    query = event_query.read(request.GET)
    is_fragment = request.headers.get("HX-Request") == "true"
    for problem in () if is_fragment else query.problems:
        messages.error(request, problem)
    context = {
        **model_admin.admin_site.each_context(request),
        **shown(query),
        "title": "Events",
        "opts": model_admin.opts,
        "path": request.get_full_path(),
        "may_send": request.user.has_perm(SEND_EVENT),
        "may_see_runs": request.user.has_perm(VIEW_RUN),
    }
    return TemplateResponse(request, FRAGMENT if is_fragment else WHOLE, context)


def shown(query: EventQuery) -> dict[str, Any]:
    now = database_clock().at
    figures = event_names(query.span or DEFAULT_SPAN)
    known = sorted(one.name for one in figures.names)
    found = event_query.found(query, known, now)
    return {
        "at": now,
        "query": query,
        "span": query.span or DEFAULT_SPAN,
        "spans": [(span, query.address(span=span.key)) for span in SPANS.values()],
        "any_time": query.address(span=""),
        "names": [(one, query.address(name=one.name, q="")) for one in figures.names],
        "capped": MAX_COUNT if figures.is_capped else 0,
        "states": [(state, words, query.address(runs=state)) for state, words in STATES.items()],
        "any_state": query.address(runs=""),
        "any_name": query.address(name=""),
        "found": found,
        "older": query.address(before=str(found.older)) if found.older else "",
        "rows": _with_runs(found.events),
    }


def _with_runs(events: Sequence[Event]) -> list[dict[str, Any]]:
    runs: dict[Any, list[tuple[Any, str, str]]] = {event.pk: [] for event in events}
    with connection.cursor() as cursor:
        cursor.execute(RUNS, {"ids": list(runs), "most": MAX_READ})
        for event_id, *run in cursor.fetchall():
            runs[event_id].append(tuple(run))
    return [_row(event, sorted(runs[event.pk])) for event in events]


def _row(event: Event, runs: list[tuple[Any, str, str]]) -> dict[str, Any]:
    more = len(runs) - MAX_CHIPS
    return {
        "event": event,
        "runs": runs[:MAX_CHIPS],
        "more": f"{more:,}{'+' if len(runs) == MAX_READ else ''}" if more > 0 else "",
        "state": " ".join(status for _, _, status in runs),
    }
