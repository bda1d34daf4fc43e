"""Runs: the list, a page for each, and operators' acts."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from jobs.admin import (
    bulk_actions,
    bulk_result,
    dealt_with,
    failure_pages,
    kind_acts,
    outputs,
    run_list,
    run_search,
    run_views,
)
from jobs.admin.base import ReadOnlyAdmin
from jobs.admin.edits import edit_view, may_edit
from jobs.admin.filters import CreatedFilter, FunctionFilter, StatusFilter
from jobs.admin.retry_button import retry_of
from jobs.admin.run_filters import FILTERS
from jobs.admin.run_list import RunChangeList
from jobs.admin.run_neighbours import neighbours
from jobs.admin.run_page import page
from jobs.control.permission_names import CANCEL_RUN, DEAL_WITH_RUN, EDIT_RUN, RERUN_RUN
from jobs.models import Run, RunQuerySet, RunStatus


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("id",)  # run_rows.py makes the rows
    list_filter = (("status", StatusFilter), FunctionFilter, CreatedFilter, *FILTERS)
    list_select_related = ("event",)
    search_fields = ("id",)
    change_list_template = "admin/jobs/run/change_list.html"
    actions = ("retry_selected", "cancel_selected")
    fields = ()

    # --- the list ---

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        if isinstance(context.get("cl"), RunChangeList):
            context |= run_list.shown(request, context["cl"])
            context |= self._may(request)
            if request.headers.get("HX-Request") != "true" and request.GET.get("open"):
                context["kind_acts"] = kind_acts.acts(request, context["kind"])
            context["searched"] = run_search.words(request.GET.get("q", ""))
            if request.headers.get("HX-Request") == "true":
                response.template_name = "admin/jobs/run/rows.html"
        return response

    def _may(self, request: HttpRequest) -> dict[str, bool]:
        return {
            "may_retry": self.has_rerun_permission(request),
            "may_cancel": self.has_cancel_permission(request),
            "may_deal": request.user.has_perm(DEAL_WITH_RUN),
        }

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        term = search_term.strip().replace("\x00", "")
        return run_search.found(request.user, queryset, term) if term else queryset, False

    # --- a run's page ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return super().get_queryset(request).select_related("event")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        run = kwargs.get("obj")
        if run is not None:
            context |= {"title": run.fn_id, "subtitle": str(run.pk)}
            context |= page(run, request)
            context["neighbours"] = neighbours(self, request, run)
            context |= self._buttons(request, run, context)
        response: Any = super().render_change_form(request, context, *args, **kwargs)
        if run is not None and request.headers.get("HX-Request") == "true":
            response.template_name = "admin/jobs/run/run.html"
        answer: HttpResponse = response
        return answer

    def _buttons(self, request: HttpRequest, run: Run, shown: dict[str, Any]) -> dict[str, Any]:
        is_over = run.is_finished and run.forgotten_at is None
        may_rerun = is_over and self.has_rerun_permission(request, run)
        may_change = is_over and request.user.has_perm(EDIT_RUN, run)
        return {
            "can_restart": may_rerun,
            "can_rerun_from_step": may_rerun,
            **(retry_of(run, request.user, invokes=shown["story"].invokes) if may_rerun else {}),
            "can_deal": run.status == RunStatus.FAILED
            and run.mended_at is None
            and request.user.has_perm(DEAL_WITH_RUN, run),
            "can_edit": may_change and may_edit(run),
            "can_cancel": not run.is_finished and self.has_cancel_permission(request, run),
            "can_cancel_below": run.status == RunStatus.CANCELLED
            and bool(shown["below"])
            and self.has_cancel_permission(request, run),
        }

    # --- actions ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        rerun, cancel = run_views.rerun_view(self), run_views.cancel_view(self)
        failures = partial(failure_pages.page, self)
        return [
            path("failures/", view(failures), name="jobs_run_failures"),
            path("failures/deal/", view(dealt_with.kind_view(self)), name="jobs_run_deal_kind"),
            path("result/", view(partial(bulk_result.page, self)), name="jobs_run_result"),
            path(
                "<uuid:run_id>/output/<uuid:step_id>/",
                view(partial(outputs.view, self)),
                name="jobs_run_output",
            ),
            path("<uuid:run_id>/deal/", view(dealt_with.run_view(self)), name="jobs_run_deal"),
            path("<uuid:run_id>/rerun/", view(rerun), name="jobs_run_rerun"),
            path("<uuid:run_id>/edit/", view(edit_view(self)), name="jobs_run_edit"),
            path("<uuid:run_id>/cancel/", view(cancel), name="jobs_run_cancel"),
            *super().get_urls(),
        ]

    def has_rerun_permission(self, request: HttpRequest, run: Run | None = None) -> bool:
        return request.user.has_perm(RERUN_RUN, run)

    def has_cancel_permission(self, request: HttpRequest, run: Run | None = None) -> bool:
        return request.user.has_perm(CANCEL_RUN, run)

    @admin.action(description="Retry selected failed runs", permissions=["rerun"])
    def retry_selected(self, request: HttpRequest, runs: RunQuerySet) -> HttpResponse | None:
        return bulk_actions.in_bulk(self, request, runs, bulk_actions.RETRY)

    @admin.action(description="Cancel selected unfinished runs", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, runs: RunQuerySet) -> HttpResponse | None:
        return bulk_actions.in_bulk(self, request, runs, bulk_actions.CANCEL)
