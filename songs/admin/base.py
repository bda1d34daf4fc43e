"""What the product's pages share: permissions for each object, and lists whose cost does not grow
with their tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst

from songs import search

MAX_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts no more than 10,000 rows; filters lead to the others."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MAX_COUNTED].count())


class AsksOfEach(admin.ModelAdmin):
    """A ModelAdmin that checks permissions for each object (see permissions.py)."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200

    class Media:
        css = {"all": ["jobs/admin.css", "site/panel.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title} | (extra_context or {}))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "view", obj) or self.may(request, "change", obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "delete", obj)

    def may(self, request: HttpRequest, act: str, obj: Any) -> bool:
        permission = get_permission_codename(act, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{permission}", obj)


class Searched:
    """A mixin for a list that one of these functions searches."""

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        raise NotImplementedError

    def get_search_results(
        self, request: Any, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search.cleaned(search_term)
        return (self.find(queryset, term) if term else queryset), False


class PeriodFilter(admin.SimpleListFilter):
    """By a column of times that has an index."""

    title = "time"
    parameter_name = "since"
    column = "at"
    periods = {"hour": "Past hour", "today": "Today", "7d": "Past 7 days", "30d": "Past 30 days"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.periods.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since = beginning(self.value() or "")
        return self.since(queryset, since) if since else queryset

    def since(self, queryset: QuerySet[Any], since: datetime) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.column}__gte": since})


def beginning(period: str) -> datetime | None:
    """Of one of PeriodFilter's periods; None for another text."""
    now = timezone.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return {
        "hour": now - timedelta(hours=1),
        "today": midnight,
        "7d": now - timedelta(days=7),
        "30d": now - timedelta(days=30),
    }.get(period)
