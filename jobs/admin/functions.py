"""Functions: the list, a page for each, and operators' acts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin import function_list, function_page, invoking, pauses
from jobs.admin.base import ReadOnlyAdmin
from jobs.admin.function_words import config_of as _config
from jobs.admin.function_words import retries_of
from jobs.admin.html import NONE, ago, badge
from jobs.admin.pauses import MAX_COUNTED
from jobs.events import requester
from jobs.lib.excerpts import excerpt
from jobs.models import UNFINISHED, RegisteredFunction

__all__ = ["FunctionAdmin", "retries_of", "run_counts"]

COUNTED = UNFINISHED  # failures are told by kind
Counts = dict[str, dict[str, int]]
# One for each function and status; literal values tell the planner how rare each is.
CAPPED_COUNT = """
SELECT %s, %s, count(*) FROM (
    SELECT 1 FROM jobs_run WHERE fn_id = %s AND status = %s AND ended_at IS NULL
     ORDER BY id DESC LIMIT %s
) AS capped
"""


@admin.register(RegisteredFunction)
class FunctionAdmin(ReadOnlyAdmin):
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return function_list.page(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return function_page.page(self, request, object_id)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        state, replay = view(pauses.state_view(self)), view(pauses.replay_view(self))
        invoke = view(invoking.invoke_view(self))
        return [
            path("<path:object_id>/state/", state, name="jobs_registeredfunction_state"),
            path("<path:object_id>/replay/", replay, name="jobs_registeredfunction_replay"),
            path("<path:object_id>/invoke/", invoke, name="jobs_registeredfunction_invoke"),
            *super().get_urls(),
        ]

    # --- its page ---

    def runs_now(self, function: RegisteredFunction) -> SafeString:
        fn_id = function.fn_id
        counts = run_counts([fn_id])[fn_id]
        found = [(status, counts[status]) for status in COUNTED if counts.get(status)]
        if not found:
            return NONE
        url = reverse("admin:jobs_run_changelist")
        return format_html_join(
            " ",
            '<a class="jobs-badge jobs-{}" href="{}?{}">{} {}</a>',
            (
                (status, url, urlencode(_filter(fn_id, status)), pauses.capped(n), status)
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
            "{} {}{}{}",
            badge("paused"),
            ago(function.paused_at),
            pauses.by_and_why(by, function.pause_reason),
            still,
        )


def _filter(fn_id: str, status: str) -> dict[str, str]:
    return {"fn_id": fn_id, "status__exact": status}


def run_counts(fn_ids: Iterable[str]) -> Counts:
    """Counted up to 1,001 each: neither history nor a backlog costs more."""
    counts: Counts = {fn_id: {} for fn_id in fn_ids}
    wanted = [(fn_id, status) for fn_id in counts for status in COUNTED]
    if not wanted:
        return counts
    with connection.cursor() as cursor:
        sql = " UNION ALL ".join([CAPPED_COUNT] * len(wanted))
        cursor.execute(sql, [value for pair in wanted for value in (*pair, *pair, MAX_COUNTED + 1)])
        for fn_id, status, number in cursor.fetchall():
            counts[fn_id][status] = number
    return counts
