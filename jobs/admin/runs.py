from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import bulk_actions, run_actions
from jobs.admin.base import ReadOnlyAdmin, as_uuid
from jobs.admin.edits import edit_view, may_edit
from jobs.admin.filters import CreatedFilter, FunctionFilter, StatusFilter
from jobs.admin.html import NOTHING, ago, event_link, run_status
from jobs.admin.invoked import cancel_view
from jobs.admin.run_list import RunChangeList, newest, steps_in_words
from jobs.admin.run_page import page
from jobs.admin.words import span
from jobs.lib.excerpts import excerpt
from jobs.models import (
    Run,
    RunQuerySet,
    RunStatus,
)

MOST_SEARCHED = 50_000  # no index serves a part of a text


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = (
        *("function", "status_in_words", "steps", "created", "duration"),
        *("attempt_number", "key", "event"),
    )
    list_filter = (("status", StatusFilter), FunctionFilter, CreatedFilter)
    list_select_related = ("event",)
    search_fields = ("id",)
    search_help_text = (
        "A run's or an event's id in full, or a part of a concurrency key "
        f"(of the newest {MOST_SEARCHED:,} runs)."
    )
    actions = ("retry_selected", "cancel_selected")
    fields = ()

    # --- the list ---

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if identifier := as_uuid(term):
            return queryset.filter(Q(id=identifier) | Q(event_id=identifier)), False
        in_key = Q(turn_keys__0__icontains=term) | Q(turn_keys__1__icontains=term)
        return queryset.filter(in_key, id__gte=newest(MOST_SEARCHED)), False

    @admin.display(description="function")
    def function(self, run: Run) -> str:
        return run.fn_id

    @admin.display(description="status")
    def status_in_words(self, run: Run) -> SafeString:
        retries, flight = getattr(run, "retries", None), getattr(run, "flight", None)
        words = run_status(run, timezone.now(), retries, flight)
        message = getattr(run, "error_message", None)
        if run.status != RunStatus.FAILED or not message:
            return words
        shown = excerpt(message.strip(), 100)
        return format_html(
            '{} <span class="jobs-reason jobs-clamp" title="{}">{}</span>', words, message, shown
        )

    @admin.display(description="step")
    def steps(self, run: Run) -> str:
        return steps_in_words(run, getattr(run, "usual_steps", None))

    @admin.display(description="duration")
    def duration(self, run: Run) -> str:
        if run.started_at is None:
            return NOTHING
        return span((run.ended_at or timezone.now()) - run.started_at)

    @admin.display(description="attempt")
    def attempt_number(self, run: Run) -> str:
        """Of the current step; for an ended run, its failed attempts."""
        errors, retries = getattr(run, "errors", 0), getattr(run, "retries", None)
        if run.is_finished:
            return f"{errors} {'error' if errors == 1 else 'errors'}" if errors else NOTHING
        return f"{run.attempt + 1}" + (f"/{retries + 1}" if retries is not None else "")

    @admin.display(description="key")
    def key(self, run: Run) -> SafeString:
        """Turn keys without their prefix; in full in the title."""
        prefixes = (f"{run.fn_id}:{line}:" for line in range(len(run.turn_keys)))
        short = [
            key.removeprefix(prefix) for key, prefix in zip(run.turn_keys, prefixes, strict=True)
        ]
        shown = excerpt(", ".join(short), 60) or NOTHING
        return format_html('<span title="{}">{}</span>', ", ".join(run.turn_keys), shown)

    @admin.display(description="created")
    def created(self, run: Run) -> SafeString:
        return ago(run.created_at)

    @admin.display(description="event")
    def event(self, run: Run) -> SafeString:
        return event_link(run.event)

    # --- a run's page ---

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        run = kwargs.get("obj")
        if run is not None:
            context |= {"title": run.fn_id, "subtitle": str(run.pk)}
            context |= page(run)
            context |= self._buttons(request, run, has_below=bool(context["below"]))
        return super().render_change_form(request, context, *args, **kwargs)

    def _buttons(self, request: HttpRequest, run: Run, *, has_below: bool) -> dict[str, bool]:
        may_rerun = run.is_finished and self.has_rerun_permission(request, run)
        may_change = run.is_finished and request.user.has_perm("jobs.edit_run", run)
        return {
            "can_retry": may_rerun and run.status in (RunStatus.FAILED, RunStatus.CANCELLED),
            "can_restart": may_rerun,
            "can_edit": may_change and may_edit(run),
            "can_cancel": not run.is_finished and self.has_cancel_permission(request, run),
            "can_cancel_below": run.status == RunStatus.CANCELLED
            and has_below
            and self.has_cancel_permission(request, run),
        }

    # --- actions ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        rerun, cancel = run_actions.rerun_view(self), cancel_view(self)
        return [
            path("<uuid:run_id>/rerun/", view(rerun), name="jobs_run_rerun"),
            path("<uuid:run_id>/edit/", view(edit_view(self)), name="jobs_run_edit"),
            path("<uuid:run_id>/cancel/", view(cancel), name="jobs_run_cancel"),
            *super().get_urls(),
        ]

    def has_rerun_permission(self, request: HttpRequest, run: Run | None = None) -> bool:
        return request.user.has_perm("jobs.rerun_run", run)

    def has_cancel_permission(self, request: HttpRequest, run: Run | None = None) -> bool:
        return request.user.has_perm("jobs.cancel_run", run)

    @admin.action(description="Retry selected failed runs", permissions=["rerun"])
    def retry_selected(self, request: HttpRequest, runs: RunQuerySet) -> HttpResponse | None:
        return bulk_actions.in_bulk(self, request, runs, bulk_actions.RETRY)

    @admin.action(description="Cancel selected unfinished runs", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, runs: RunQuerySet) -> HttpResponse | None:
        return bulk_actions.in_bulk(self, request, runs, bulk_actions.CANCEL)
