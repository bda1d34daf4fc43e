"""From a run's page back to its list, and to the runs beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet, Value
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from jobs.admin.filters import FunctionFilter
from jobs.admin.html import run_page_of
from jobs.admin.run_list import RunChangeList
from jobs.models import Run


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Addresses; empty where there is none."""

    list_url: str
    previous: str = ""
    next: str = ""


class GivenFunction(FunctionFilter):
    """Without choices: they would read all functions."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        given = request.GET.get(self.parameter_name, "")
        return [(given, given)]


class Unread(RunChangeList):
    """The list's query, without reading a page."""

    def get_results(self, request: HttpRequest) -> None:
        self.result_count = 0
        self.result_list = []
        self.show_full_result_count = self.can_show_all = self.multi_page = False


def neighbours(model_admin: Any, request: HttpRequest, run: Run) -> Neighbours:
    """One query, if the page was reached from a list."""
    query = QueryDict(request.GET.get("_changelist_filters", ""))
    list_url = reverse("admin:jobs_run_changelist")
    if not query:
        return Neighbours(list_url)
    kept = {name: str(value).replace("\x00", "") for name, value in query.dict().items()}
    query = QueryDict(urlencode(kept))
    address = f"{list_url}?{query.urlencode()}"
    try:
        runs = _listed(model_admin, request, query)
    except (IncorrectLookupParameters, ValidationError, ValueError):
        return Neighbours(list_url)
    by_end = bool(query.get("ended") or query.get("open"))
    before, after = _before(runs, run, by_end), _after(runs, run, by_end)
    beside = dict(
        before[:1]
        .values_list(Value("before"), "id")
        .union(after[:1].values_list(Value("after"), "id"))
    )
    return Neighbours(
        address,
        previous=_address(kept, beside.get("before")),
        next=_address(kept, beside.get("after")),
    )


def _listed(model_admin: Any, request: HttpRequest, query: QueryDict) -> QuerySet[Run]:
    asked = HttpRequest()
    asked.GET, asked.user, asked.method = query, request.user, "GET"  # type: ignore[assignment]
    found = Unread(
        asked,
        model_admin.model,
        model_admin.get_list_display(asked),
        (),
        [GivenFunction if one is FunctionFilter else one for one in model_admin.list_filter],
        None,
        model_admin.get_search_fields(asked),
        model_admin.list_select_related,
        model_admin.list_per_page,
        model_admin.list_max_show_all,
        (),
        model_admin,
        (),
        model_admin.search_help_text,
    )
    return found.queryset


def _before(runs: QuerySet[Run], run: Run, by_end: bool) -> QuerySet[Run]:
    if by_end and run.ended_at:
        later = Q(ended_at__gt=run.ended_at) | Q(ended_at=run.ended_at, id__gt=run.pk)
        return runs.filter(later).order_by("ended_at", "id")
    return runs.filter(id__gt=run.pk).order_by("id")


def _after(runs: QuerySet[Run], run: Run, by_end: bool) -> QuerySet[Run]:
    if by_end and run.ended_at:
        earlier = Q(ended_at__lt=run.ended_at) | Q(ended_at=run.ended_at, id__lt=run.pk)
        return runs.filter(earlier).order_by("-ended_at", "-id")
    return runs.filter(id__lt=run.pk).order_by("-id")


def _address(query: dict[str, str], run_id: Any) -> str:
    return run_page_of(query, run_id) if run_id else ""
