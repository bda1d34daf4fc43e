from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.base import ReadOnlyAdmin, as_uuid
from jobs.admin.filters import CreatedFilter, EventNameFilter
from jobs.admin.html import NONE, NOTHING, ago, block, pretty, run_link, run_status
from jobs.control.permissions import VIEW_PAYLOAD
from jobs.events.event import EventPayload
from jobs.models import Event, Run
from jobs.registry import catalog, expressions

MOST_DOTS = 10
MOST_RUNS = 100


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("name", "id", "happened", "received", "runs_made")
    list_display_links = ("name", "id")
    list_filter = (EventNameFilter, CreatedFilter)
    search_fields = ("id",)
    search_help_text = "An event's id, or the sender's own id, in full."
    fields = (
        *("name", "id", "happened", "received", "sender_id"),
        *("runs_in_words", "not_started", "data_pretty"),
    )

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> Any:
        fields = super().get_fields(request, obj)
        if not request.user.has_perm(VIEW_PAYLOAD):
            return [name for name in fields if name != "data_pretty"]
        return (*fields, "came_again") if obj is not None and obj.repeat else fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        runs = Run.objects.only("id", "event_id", "fn_id", "status").order_by("id")
        return super().get_queryset(request).prefetch_related(Prefetch("runs", runs))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = changelist.result_list.defer("data", "repeat")
        return changelist

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(id=as_uuid(term)) | Q(dedupe_id=term)), False

    @admin.display(description="happened")
    def happened(self, event: Event) -> SafeString:
        return ago(event.ts)

    @admin.display(description="received")
    def received(self, event: Event) -> SafeString:
        return ago(event.received_at)

    @admin.display(description="sender's id")
    def sender_id(self, event: Event) -> str:
        return event.dedupe_id or NOTHING

    @admin.display(description="runs")
    def runs_made(self, event: Event) -> SafeString:
        runs = list(event.runs.all())
        if not runs:
            return NONE
        dots = format_html_join(
            " ",
            '<a class="jobs-badge jobs-{}" href="{}" title="{}">{}</a>',
            (
                (run.status, reverse("admin:jobs_run_change", args=[run.pk]), run.fn_id, run.status)
                for run in runs[:MOST_DOTS]
            ),
        )
        more = f" and {len(runs) - MOST_DOTS} more" if len(runs) > MOST_DOTS else ""
        return format_html("{}{}", dots, more)

    @admin.display(description="runs")
    def runs_in_words(self, event: Event) -> SafeString:
        runs = list(event.runs.defer("output", "error").order_by("id")[:MOST_RUNS])
        if not runs:
            return format_html("none: no function is triggered by “{}”", event.name)
        now = timezone.now()
        return format_html_join(
            "",
            '<div class="jobs-line">{} {} {}</div>',
            (
                (run_link(run.pk, run.fn_id), run_status(run, now), ago(run.created_at))
                for run in runs
            ),
        )

    @admin.display(description="not started")
    def not_started(self, event: Event) -> SafeString:
        """Functions that its name triggers, but whose condition it fails."""
        lines = format_html_join("", '<div class="jobs-line">{}: {}</div>', unmet(event))
        return lines or NONE

    @admin.display(description="data")
    def data_pretty(self, event: Event) -> SafeString:
        return pretty(event.data)

    @admin.display(description="came again with other data")
    def came_again(self, event: Event) -> SafeString:
        """A later event under the same id."""
        told = event.repeat or {}
        count = told.get("count", 0)
        return format_html(
            "{}, the last time at {}, with: {}It has started nothing: within 24 hours an id stands "
            "for the event that came first.",
            "once" if count == 1 else f"{count:,} times",
            told.get("at", NOTHING),
            block(str(told.get("data", ""))),
        )


def unmet(event: Event) -> Iterator[tuple[str, str]]:
    """Each function that this event might have started and did not, by its conditions as this
    process has them, with the reason."""
    variables = {"event": EventPayload.of_row(event).as_json()}
    started = {run.fn_id for run in event.runs.all()}
    for function, triggers in catalog.triggered_by(event.name):
        for trigger in triggers if function.fn_id not in started else ():
            reason = expressions.why_not(trigger.if_exp or "true", variables)
            if reason is not None:
                yield function.fn_id, reason.text
