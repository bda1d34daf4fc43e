"""A function's page: its registration, its figures, and the acts of operators."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from jobs.admin import charts, json_tree, pauses, ticks
from jobs.admin.base import redirect_missing
from jobs.admin.condition_words import conditions_of
from jobs.admin.function_words import config_of, cron_lines, sentences
from jobs.admin.panel_spans import span_asked
from jobs.admin.replay_parts import PartForm, given
from jobs.admin.tiles import Tile
from jobs.admin.words import percent
from jobs.control.bulk import FUNCTION as BULK
from jobs.control.permission_names import PAUSE_FUNCTION, RERUN_RUN, SEND_EVENT, VIEW_RUN
from jobs.control.sending import BY_ENGINE_ALONE
from jobs.metrics import series
from jobs.metrics.function_figures import kinds
from jobs.metrics.spans import SPANS, Span
from jobs.metrics.steps import steps
from jobs.models import RegisteredFunction, Run, RunStatus

PAGE = "admin/jobs/registeredfunction/change_form.html"
MAX_KINDS = 8
MAX_BULK = 20
MAX_STEPS = 20


def page(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    functions = {row.fn_id: row for row in RegisteredFunction.objects.all()}
    function = functions.get(unquote(object_id))
    if function is None:
        return redirect_missing(model_admin, request, object_id)
    span = span_asked(request)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": function.fn_id,
        "subtitle": "Function",
        "opts": model_admin.opts,
        "original": function,
        "span": span,
        "spans": SPANS.values(),
        "sentences": list(sentences(function, functions)),
        "state_in_words": model_admin.state(function),
        "runs_now": model_admin.runs_now(function),
        "module": str(config_of(function).get("module") or ""),
        "config": json_tree.tree(function.config),
        "conditions": conditions_of(function, request.user),
        **_figures(request, function, span),
        **_acts(request, function, functions),
    }
    return TemplateResponse(request, PAGE, context)


def _figures(request: HttpRequest, function: RegisteredFunction, span: Span) -> dict[str, Any]:
    rows = ticks.rows_of(function.fn_id, cron_lines(function))
    told = {
        "ticks": [ticks.in_words(row) for row in rows],
        "upcoming": ticks.upcoming(rows),
        "may_see_runs": request.user.has_perm(VIEW_RUN),
    }
    if not told["may_see_runs"]:
        return told
    drawn = series.charts(span).of(function.fn_id)
    found = kinds(function.fn_id)
    taken = steps(function.fn_id, span, drawn.now).steps
    return told | {
        "tiles": _tiles(function.fn_id, drawn),
        "charts": [
            charts.outcomes(drawn),
            charts.times(drawn, "wait", "Wait before the first start"),
            charts.times(drawn, "took", "Run time"),
        ],
        "kinds": found[:MAX_KINDS],
        "more_kinds": max(len(found) - MAX_KINDS, 0),
        "steps": taken[:MAX_STEPS],
        "more_steps": max(len(taken) - MAX_STEPS, 0),
    }


def _tiles(fn_id: str, drawn: series.Series) -> list[Tile]:
    total, last = drawn.total, f"in the last {drawn.span.label}"

    def tile(label: str, value: str, status: str, spark: list[int]) -> Tile:
        asked = {"fn_id": fn_id, "ended": drawn.span.key} | (
            {"status__exact": status} if status else {}
        )
        url = f"{reverse('admin:jobs_run_changelist')}?{urlencode(asked)}"
        return Tile(label, value, last, url, charts.sparkline(spark, status or "busy"))

    ended = [bar.ended for bar in drawn.bars]
    took = total.took
    return [
        tile("completed", f"{total.completed:,}", RunStatus.COMPLETED, drawn.completed),
        tile("failed", f"{total.failed:,}", RunStatus.FAILED, drawn.failed),
        tile("success rate", percent(total.success_rate), "", ended),
        tile("run time, middle", charts.in_words(took.p50), "", ended),
        tile("run time, 95 % within", charts.in_words(took.p95), "", ended),
    ]


def _acts(
    request: HttpRequest, function: RegisteredFunction, functions: dict[str, RegisteredFunction]
) -> dict[str, Any]:
    may = request.user.has_perm
    may_replay = may(RERUN_RUN, function)
    effect = pauses.effect(function, functions)  # only a hook has one
    number = pauses.skipped(function.fn_id, is_hook=bool(effect)).to_replay if may_replay else 0
    replaying = _replay_of(function.fn_id) if number else None
    may_start = may(SEND_EVENT, function) and function.fn_id not in BY_ENGINE_ALONE
    return {
        "state": pauses.state_of(function),
        "pause_effect": effect,
        "can_pause": may(PAUSE_FUNCTION, function),
        "skipped": pauses.capped(number) if number and not replaying else "",
        "replaying": replaying,
        "part": PartForm(initial=given(request.GET)),
        "zone": timezone.get_current_timezone_name(),
        "may_start": may_start and function.paused_at is None,
        "cron_lines": cron_lines(function),
    }


def _replay_of(fn_id: str) -> Run | None:
    """The unfinished run that replays its skipped runs, among the newest MAX_BULK."""
    newest = Run.objects.filter(fn_id=BULK).order_by("-id")[:MAX_BULK].values("id")
    runs = Run.objects.filter(id__in=newest, ended_at__isnull=True).only("id", "fn_id")
    replays = runs.filter(event__data__filter__fn_id=fn_id, event__data__filter__status="skipped")
    return replays.first()
