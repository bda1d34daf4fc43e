"""Functions: what starts each, its state, its figures in a span."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from jobs.admin.function_words import config_of, started_by, turns
from jobs.admin.panel_spans import span_asked
from jobs.admin.pauses import by_and_why
from jobs.control.permission_names import PAUSE_FUNCTION, VIEW_RUN
from jobs.events import requester
from jobs.lib.excerpts import excerpt
from jobs.lib.json_values import is_text
from jobs.metrics.functions import FunctionFigures, functions
from jobs.metrics.paused import with_skipped
from jobs.metrics.series import charts
from jobs.metrics.spans import SPANS, Span
from jobs.metrics.unfinished import count_unfinished

WHOLE = "admin/jobs/registeredfunction/change_list.html"
FRAGMENT = "admin/jobs/registeredfunction/rows.html"
MAX_TERM = 200  # characters


def page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    span, term = span_asked(request), request.GET.get("q", "").strip()[:200]
    term = term if is_text(term) else ""
    context = {
        **model_admin.admin_site.each_context(request),
        **shown(span, term),
        "title": "Functions",
        "opts": model_admin.opts,
        "path": request.get_full_path(),
        "may_pause": request.user.has_perm(PAUSE_FUNCTION),
        "may_see_runs": request.user.has_perm(VIEW_RUN),
    }
    is_fragment = request.headers.get("HX-Request") == "true"
    return TemplateResponse(request, FRAGMENT if is_fragment else WHOLE, context)


def shown(span: Span, term: str) -> dict[str, Any]:
    drawn = charts(span)
    now = count_unfinished()
    known = {row.fn_id: row for row in with_skipped()}
    names = requester.names([row.paused_by for row in known.values() if row.paused_at])
    rows = [_row(one, known, names) for one in functions(drawn, now)]
    found = [row for row in rows if term.casefold() in row["searched"]]
    return {
        "at": drawn.all.now,
        "span": span,
        "spans": [(each, _address(each, term)) for each in SPANS.values()],
        "term": term,
        "searched": f"Searched ids and names of {len(rows):,} functions." if term else "",
        "rows": found,
    }


def _address(span: Span, term: str) -> str:
    return "?" + urlencode({"span": span.key} | ({"q": term} if term else {}))


def _row(
    figures: FunctionFigures,
    known: dict[str, Any],
    names: dict[str, str],
) -> dict[str, Any]:
    row = known.get(figures.fn_id)
    return {
        "figures": figures,
        "total": figures.series.total,
        "starts": excerpt(started_by(row, known), MAX_TERM) if row else "",
        "turns": excerpt(turns(row), MAX_TERM) if row else "",
        "unfit": bool(row and config_of(row).get("unfit")),
        "paused": by_and_why(names.get(row.paused_by, ""), row.pause_reason) if row else "",
        "skipped": row.skipped if row else 0,
        "searched": f"{figures.fn_id} {figures.name}".casefold(),
        "state": f"{figures.pending} {figures.series.total.ended} {figures.paused_at}",
    }
