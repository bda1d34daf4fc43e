"""Operations: in one look, whether all is well, what needs an operator, and what runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs import conf
from jobs.admin import audit_log, cards, charts
from jobs.admin.html import kind_url
from jobs.admin.logged_acts import Allowed
from jobs.admin.panel_spans import span_asked
from jobs.admin.tiles import tiles
from jobs.control.permission_names import PAUSE_FUNCTION, VIEW_CLUSTER, VIEW_FUNCTION, VIEW_RUN
from jobs.metrics.functions import functions
from jobs.metrics.overview import Need, Overview, overview
from jobs.metrics.series import charts as charts_of
from jobs.metrics.spans import SPANS, Span

WHOLE, FRAGMENT = "admin/operations.html", "admin/jobs/operations.html"
MORE = "more"  # the page's second part
PARTS = {MORE: "admin/jobs/operations_more.html"}
MAX_GROUPS = 8
MAX_ACTS = 8
# Codes of what needs an operator, by what their page shows; the others are of clusters.
OF_RUNS = ("failures", "other-failures", "unknown", "late")
OF_FUNCTIONS = ("paused", "conditions")


def page(request: HttpRequest, context: dict[str, Any]) -> TemplateResponse:
    """The whole page, or one of the two parts that move by themselves: the present figures, and
    functions, cards and acts. Two, so that no answer takes many queries."""
    span, part = span_asked(request), request.GET.get("part", "")
    context |= {"title": "Operations", "span": span, "spans": SPANS.values()}
    is_fragment = request.headers.get("HX-Request") == "true"
    if part == MORE:
        context |= {"is_more": True, **more(request, span)}
    else:
        context |= figures(request, span)
    template = PARTS.get(part, FRAGMENT) if is_fragment else WHOLE
    return TemplateResponse(request, template, context)


def figures(request: HttpRequest, span: Span) -> dict[str, Any]:
    may = request.user.has_perm
    context: dict[str, Any] = {"may_see": may(VIEW_RUN)}
    if context["may_see"]:
        context |= _drawn(overview(span, *conf.panel_counts()), may) | {
            "may_see_clusters": may(VIEW_CLUSTER)
        }
    return context


def more(request: HttpRequest, span: Span) -> dict[str, Any]:
    may = request.user.has_perm
    context: dict[str, Any] = {"cards": cards.cards(request, span)}
    if may(VIEW_RUN) and may(VIEW_FUNCTION):
        context["functions"] = functions(charts_of(span))
    context["may_pause"] = may(PAUSE_FUNCTION)
    if may("admin.view_logentry"):
        context["acts"] = acts(may)
    return context


def _drawn(found: Overview, may: Callable[[str], bool]) -> dict[str, Any]:
    series = found.charts.all
    return {
        "overview": found,
        "needs": [(need, link(need) if may(_seen_by(need)) else "") for need in found.needs],
        "tiles": tiles(found),
        "charts": [
            charts.outcomes(series),
            charts.times(series, "wait", "Wait before the first start"),
            charts.times(series, "took", "Run time"),
        ],
        "groups": found.failures.groups[:MAX_GROUPS],
        "more_groups": max(len(found.failures.groups) - MAX_GROUPS, 0),
    }


def _seen_by(need: Need) -> str:
    """The permission that the page of `link` asks for."""
    if need.code in OF_RUNS:
        return VIEW_RUN
    return VIEW_FUNCTION if need.code in OF_FUNCTIONS else VIEW_CLUSTER


def link(need: Need) -> str:
    runs = reverse("admin:jobs_run_changelist")
    if need.code == "other-failures":
        return reverse("admin:jobs_run_failures")
    if need.code == "failures":
        return kind_url(need.about)
    if need.code == "paused":
        return reverse("admin:jobs_registeredfunction_change", args=[quote(need.about)])
    if need.code == "conditions" and need.about:
        page = reverse("admin:jobs_registeredfunction_change", args=[quote(need.about)])
        return f"{page}#jobs-conditions"
    if need.code == "conditions":
        return reverse("admin:jobs_registeredfunction_changelist")
    if need.code == "unknown":
        return f"{runs}?{urlencode({'fn_id': need.about, 'reason': 'function'})}"
    if need.code == "late":
        return f"{runs}?status__exact=queued"
    return reverse("admin:jobs_cluster_changelist")


def acts(may: Allowed) -> list[dict[str, Any]]:
    entries = LogEntry.objects.select_related("user", "content_type").order_by("-id")[:MAX_ACTS]
    return [
        {
            "at": entry.action_time,
            "by": str(entry.user) if entry.user else "",
            "what": audit_log.act_text(entry),
            "on": audit_log.link(entry, may),
        }
        for entry in entries
    ]
