"""Filters with a cost independent of the number of rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jobs.ids import first_id
from jobs.models import RegisteredFunction, RunQuerySet

STATUS = "status__exact"  # in the address of the list of runs


class StatusFilter(admin.ChoicesFieldListFilter):
    """Uses the index of statuses."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        wanted: Any = self.used_parameters.get(self.lookup_kwarg)
        if wanted and isinstance(queryset, RunQuerySet):
            queryset = queryset.in_status(*wanted)
        return super().queryset(request, queryset)


class FunctionFilter(admin.SimpleListFilter):
    title = "function"
    parameter_name = "fn_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = RegisteredFunction.objects.values_list("fn_id", flat=True)
        return [(fn_id, fn_id) for fn_id in known]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(fn_id=self.value()) if self.value() else queryset


class CreatedFilter(admin.SimpleListFilter):
    """By the time in the id (UUIDv7): the primary key serves it."""

    title = "created"
    parameter_name = "created"
    periods = {"hour": "Past hour", "today": "Today", "7d": "Past 7 days", "30d": "Past 30 days"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.periods.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since = beginning(self.value() or "")
        return queryset.filter(id__gte=first_id(since)) if since else queryset


def beginning(period: str) -> datetime | None:
    now = timezone.now()
    return {
        "hour": now - timedelta(hours=1),
        "today": timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0, fold=0),
        "7d": now - timedelta(days=7),
        "30d": now - timedelta(days=30),
    }.get(period)
