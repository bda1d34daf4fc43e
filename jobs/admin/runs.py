"""Runs: the list, and a run's page from its title to its raw data."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Q, QuerySet
from django.db.models.fields.json import KT
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import askers, timeline
from jobs.admin import controls, outputs, waterfall
from jobs.admin.base import ReadOnlyAdmin, as_uuid
from jobs.admin.edits import edit_view, may_edit
from jobs.admin.filters import CreatedFilter, FunctionFilter, StatusFilter
from jobs.admin.functions import retries_of
from jobs.admin.html import NOTHING, ago, event_link, run_link, run_status
from jobs.admin.invoked import cancel_view, relatives
from jobs.admin.links import run_links
from jobs.admin.words import is_stalled, situation, span
from jobs.excerpts import excerpt
from jobs.in_flight import in_flight
from jobs.models import (
    Attempt,
    AttemptStatus,
    RegisteredFunction,
    Run,
    RunQuerySet,
    RunStatus,
)

MOST_SEARCHED = 50_000  # a part of a text is in no index


class RunChangeList(ChangeList):
    """The page's runs; a few queries more tell of all of them what no column of theirs does."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Run]:
        runs = super().get_queryset(request, *args, **kwargs)
        runs = runs.defer("output", "error", "event__data")
        return runs.annotate(error_message=KT("error__message"))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        runs = list(self.result_list)
        fn_ids = {run.fn_id for run in runs}
        functions = RegisteredFunction.objects.in_bulk(fn_ids)
        usual, errors, flights = usual_steps(fn_ids), error_counts(runs), in_flight(runs)
        for run in runs:
            run.flight = flights.get(run.pk)
            run.errors = errors.get(run.pk, 0)
            function = functions.get(run.fn_id)
            run.retries = retries_of(function) if function else None
            run.usual_steps = usual.get(run.fn_id)
        self.result_list = runs


def usual_steps(fn_ids: Iterable[str]) -> dict[str, int]:
    """How many steps each function's last completed run had. One query; a look into the index
    for each, where a join or DISTINCT ON would go through all of their history."""
    last = [
        Run.objects.filter(fn_id=fn_id, status=RunStatus.COMPLETED)
        .order_by("-id")
        .values_list("fn_id", "steps_done")[:1]
        for fn_id in fn_ids
    ]
    return dict(last[0].union(*last[1:], all=True)) if last else {}


def newest(number: int) -> uuid.UUID:
    """The id from which on there are so many runs, or the first possible id."""
    ids = Run.objects.order_by("-id").values_list("id", flat=True)
    return next(iter(ids[number : number + 1]), uuid.UUID(int=0))


def error_counts(runs: list[Run]) -> dict[Any, int]:
    """How many attempts of each run ended in an error."""
    erred = Attempt.objects.filter(run__in=runs, status=AttemptStatus.ERROR).exclude(step_name="")
    return dict(erred.order_by().values_list("run").annotate(Count("id")))


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
        """Of the step where it stands; of a run that has ended, how many attempts erred."""
        errors, retries = getattr(run, "errors", 0), getattr(run, "retries", None)
        if run.is_finished:
            return f"{errors} {'error' if errors == 1 else 'errors'}" if errors else NOTHING
        return f"{run.attempt + 1}" + (f"/{retries + 1}" if retries is not None else "")

    @admin.display(description="key")
    def key(self, run: Run) -> SafeString:
        """What the run shares with those it takes turns with; in full in the title."""
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
        """Which of the buttons this person may press on this run."""
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

    # --- what people may do to it ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        rerun, cancel = controls.rerun_view(self), cancel_view(self)
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
        return controls.in_bulk(self, request, runs, controls.RETRY)

    @admin.action(description="Cancel selected unfinished runs", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, runs: RunQuerySet) -> HttpResponse | None:
        return controls.in_bulk(self, request, runs, controls.CANCEL)


def steps_in_words(run: Run, usual: int | None) -> str:
    """“3/5”: how many steps it remembers, of as many as its function's last completed run had."""
    if not usual or (run.is_finished and run.status == RunStatus.COMPLETED):
        return str(run.steps_done)
    return f"{run.steps_done}/{max(usual, run.steps_done)}"


def page(run: Run) -> dict[str, Any]:
    """Everything that a run's page shows, read at one moment."""
    now = timezone.now()
    function = RegisteredFunction.objects.filter(pk=run.fn_id).first()
    retries = retries_of(function) if function else None
    story = timeline.tell(run, now, outputs.cut(run.steps.all()))
    flight = in_flight([run]).get(run.pk)
    return {
        "run": run,
        "status": run_status(run, now, retries, flight),
        "stalled": is_stalled(run, now),
        "situation": situation(run, now, retries, flight),
        "steps": steps_in_words(run, usual_steps([run.fn_id]).get(run.fn_id)),
        "story": story,
        "planned": story.planned.duration if story.planned else None,
        "queue_wait": story.queued.duration,
        "run_time": (run.ended_at or now) - run.started_at if run.started_at else None,
        "waited": story.waited if story.waited > timedelta(milliseconds=50) else None,
        "waterfall": waterfall.draw(story),
        "function": function,
        "asked_by": askers.account(run.asked_by).name,
        "about": run_links(run.event.data),
        **relatives(run, now),
        "reruns": [run_link(pk) for pk in run.reruns.order_by("id").values_list("pk", flat=True)],
    }
