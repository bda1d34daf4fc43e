"""Functions: triggers, turns, retries, state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin import pauses
from jobs.admin.base import ReadOnlyAdmin
from jobs.admin.html import NONE, NOTHING, ago, badge, lines, pretty
from jobs.admin.pauses import MOST_COUNTED
from jobs.admin.replay_parts import PartForm, given
from jobs.admin.ticks import ticks_in_words
from jobs.events import requester
from jobs.lib.excerpts import excerpt
from jobs.metrics.spans import SPANS
from jobs.metrics.steps import steps
from jobs.models import UNFINISHED, RegisteredFunction, RunStatus

COUNTED = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.FAILED]
Counts = dict[str, dict[str, int]]
# One for each function and status, with literal values: the planner then knows how rare each is.
CAPPED_COUNT = """
SELECT %s, %s, count(*) FROM (
    SELECT 1 FROM jobs_run WHERE fn_id = %s AND status = %s {still} ORDER BY id DESC LIMIT %s
) AS capped
"""
STILL = dict.fromkeys(UNFINISHED, "AND ended_at IS NULL")  # for their index


@admin.register(RegisteredFunction)
class FunctionAdmin(ReadOnlyAdmin):
    list_display = ("fn_id", "state", "triggers", "concurrency", "retries", "runs_now", "synced")
    search_fields = ("fn_id", "name")
    fields = (
        *("fn_id", "name", "state", "runs_now", "triggers", "ticks", "concurrency", "retries"),
        *("hooks", "module", "synced", "config_pretty"),
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """All counts take one query."""
        changelist = super().get_changelist_instance(request)
        functions = list(changelist.result_list)
        counts = run_counts(function.fn_id for function in functions)
        for function in functions:
            function.run_counts = counts[function.fn_id]
        changelist.result_list = functions
        return changelist

    # --- actions ---

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        function = kwargs.get("obj")
        if function is not None:
            may_replay = request.user.has_perm("jobs.rerun_run", function)
            number = pauses.skipped(function.fn_id).to_replay if may_replay else 0
            context |= {
                "state": pauses.state_of(function),
                "pause_effect": pauses.effect(function),
                "figures": steps(function.fn_id, SPANS["24h"]),
                "can_pause": request.user.has_perm("jobs.pause_registeredfunction", function),
                "skipped": _capped(number) if number else "",
                "part": PartForm(initial=given(request.GET)),
                "zone": timezone.get_current_timezone_name(),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        state, replay = view(pauses.state_view(self)), view(pauses.replay_view(self))
        return [
            path("<path:object_id>/state/", state, name="jobs_registeredfunction_state"),
            path("<path:object_id>/replay/", replay, name="jobs_registeredfunction_replay"),
            *super().get_urls(),
        ]

    # --- fields ---

    @admin.display(description="starts on")
    def triggers(self, function: RegisteredFunction) -> SafeString:
        return lines([_trigger(entry) for entry in _entries(function, "triggers")])

    @admin.display(description="ticks")
    def ticks(self, function: RegisteredFunction) -> SafeString:
        entries = _entries(function, "triggers")
        cron_lines = [e["cron"] for e in entries if isinstance(e, dict) and e.get("cron")]
        return lines(ticks_in_words(function.fn_id, cron_lines))

    @admin.display(description="turns")
    def concurrency(self, function: RegisteredFunction) -> SafeString:
        return lines([_turn(entry) for entry in _entries(function, "concurrency")])

    @admin.display(description="retries")
    def retries(self, function: RegisteredFunction) -> str:
        retries = retries_of(function)
        return NOTHING if retries is None else str(retries)

    @admin.display(description="runs now")
    def runs_now(self, function: RegisteredFunction) -> SafeString:
        fn_id = function.fn_id
        counts = getattr(function, "run_counts", None) or run_counts([fn_id])[fn_id]
        found = [(status, counts[status]) for status in COUNTED if counts.get(status)]
        if not found:
            return NONE
        url = reverse("admin:jobs_run_changelist")
        return format_html_join(
            " ",
            '<a class="jobs-badge jobs-{}" href="{}?{}">{} {}</a>',
            (
                (status, url, urlencode(_filter(fn_id, status)), _capped(n), status)
                for status, n in found
            ),
        )

    @admin.display(description="state")
    def state(self, function: RegisteredFunction) -> SafeString:
        if why := _config(function).get("unfit"):  # as a cluster last reported (rows.sync)
            return format_html("{} {}", badge("unfit"), excerpt(str(why).strip()))
        if function.paused_at is None:
            return SafeString("active")
        still = SafeString(" · its unfinished runs stand still") if function.stands_still else ""
        by = requester.account(function.paused_by).name
        return format_html(
            "{} {}{}{}{}",
            badge("paused"),
            ago(function.paused_at),
            f" by {by}" if by else "",
            f": “{function.pause_reason}”" if function.pause_reason else "",
            still,
        )

    @admin.display(description="after a run")
    def hooks(self, function: RegisteredFunction) -> SafeString:
        config = _config(function)
        names = ((key, config.get(key)) for key in ("on_failure", "on_cancel", "on_retry"))
        return lines([f"{key}: {name}" for key, name in names if name])

    @admin.display(description="module")
    def module(self, function: RegisteredFunction) -> str:
        return str(_config(function).get("module") or NOTHING)

    @admin.display(description="synced")
    def synced(self, function: RegisteredFunction) -> SafeString:
        return ago(function.synced_at)

    @admin.display(description="configuration")
    def config_pretty(self, function: RegisteredFunction) -> SafeString:
        return pretty(function.config)


def _filter(fn_id: str, status: str) -> dict[str, str]:
    return {"fn_id": fn_id, "status__exact": status}


def run_counts(fn_ids: Iterable[str]) -> Counts:
    """Counted up to 1,001 each, so neither history nor a backlog costs more."""
    counts: Counts = {fn_id: {} for fn_id in fn_ids}
    wanted = [(fn_id, status) for fn_id in counts for status in COUNTED]
    if not wanted:
        return counts
    with connection.cursor() as cursor:
        sql = " UNION ALL ".join(
            CAPPED_COUNT.format(still=STILL.get(status, "")) for _, status in wanted
        )
        cursor.execute(
            sql, [value for pair in wanted for value in (*pair, *pair, MOST_COUNTED + 1)]
        )
        for fn_id, status, number in cursor.fetchall():
            counts[fn_id][status] = number
    return counts


def retries_of(function: RegisteredFunction) -> int | None:
    """None if unknown."""
    retries = _config(function).get("retries")
    return retries if isinstance(retries, int) else None


def _config(function: RegisteredFunction) -> dict[str, Any]:
    return function.config if isinstance(function.config, dict) else {}


def _entries(function: RegisteredFunction, key: str) -> list[Any]:
    found = _config(function).get(key)
    return found if isinstance(found, list) else [found] if found else []


def _trigger(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    what = f"event “{entry['event']}”" if entry.get("event") else f"cron {entry.get('cron')}"
    if entry.get("if_running") == "skip":
        what += ", but not while a run is unfinished"
    return f"{what} if {entry['if']}" if entry.get("if") else what


def _turn(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return f"{entry.get('limit')} at a time" + (f" per {entry['key']}" if entry.get("key") else "")


def _capped(number: int) -> str:
    return f"{MOST_COUNTED:,}+" if number > MOST_COUNTED else f"{number:,}"
