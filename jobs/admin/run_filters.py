"""What the address can narrow the list of runs to, beside status, function and age."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.forms import DateTimeField
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from jobs.ids import first_id
from jobs.lib.excerpts import quoted
from jobs.metrics.spans import SPANS
from jobs.models import OPEN_FAILURE, UNFINISHED, Reason, Run

MAX_SEARCHED = 50_000  # runs looked through for what has no index


class ParameterFilter(admin.SimpleListFilter):
    """A parameter of the address that takes any value."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.value() or "", self.value() or "")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = (self.value() or "").replace("\x00", "")
        return self.narrowed(queryset, value) if value else queryset

    def narrowed(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        raise NotImplementedError

    def words(self) -> str:
        return f"{self.title}: {self.value()}"


class ReasonFilter(ParameterFilter):
    title, parameter_name = "reason", "reason"

    def narrowed(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return runs.filter(reason=value, status__in=UNFINISHED, ended_at__isnull=True)

    def words(self) -> str:
        value = self.value() or ""
        return Reason(value).label if value in Reason.values else f"reason: {value}"


class KindFilter(ParameterFilter):
    title, parameter_name = "kind", "kind"

    def narrowed(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return runs.filter(failure_kind=value)


class OpenFilter(ParameterFilter):
    title, parameter_name = "open", "open"

    def narrowed(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == "0":
            return runs.filter(status="failed", mended_at__isnull=False)
        return runs.filter(OPEN_FAILURE)

    def words(self) -> str:
        return "mended or dealt with" if self.value() == "0" else "open: not mended, not dealt with"


class ClusterFilter(ParameterFilter):
    """By the worker in the run's row; among the newest runs, as it has no index."""

    title, parameter_name = "cluster", "cluster"

    def narrowed(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return runs.filter(worker=value, id__gte=newest(MAX_SEARCHED))


class KeyFilter(ParameterFilter):
    title, parameter_name = "key", "key"

    def narrowed(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return runs.filter(with_key(value), id__gte=newest(MAX_SEARCHED))


class EndedFilter(ParameterFilter):
    title, parameter_name = "ended", "ended"

    def narrowed(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value not in SPANS:
            return runs
        return runs.filter(ended_at__gte=Now() - SPANS[value].length)

    def words(self) -> str:
        value = self.value() or ""
        if value not in SPANS:
            return f"{quoted(value, 40)} is no span; {', '.join(SPANS)} are"
        return f"ended in the last {SPANS[value].label}"


class MomentFilter(ParameterFilter):
    def narrowed(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        moment = moment_of(value)
        return self.at(runs, moment) if moment else runs

    def at(self, runs: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        raise NotImplementedError

    def words(self) -> str:
        moment = moment_of(self.value() or "")
        if moment is None:
            return f"{quoted(self.value(), 40)} is no time; 2026-11-27T10:30 is one"
        return f"{self.title} {moment:%Y-%m-%d %H:%M %Z}"


class FromFilter(MomentFilter):
    title, parameter_name = "made from", "from"

    def at(self, runs: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return runs.filter(id__gte=first_id(moment))


class UntilFilter(MomentFilter):
    title, parameter_name = "made until", "until"

    def at(self, runs: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return runs.filter(id__lt=first_id(moment))


FILTERS = (
    *(ReasonFilter, KindFilter, OpenFilter, ClusterFilter, KeyFilter),
    *(EndedFilter, FromFilter, UntilFilter),
)


def moment_of(text: str) -> datetime | None:
    """A time in the site's zone; None if it is none or outside of the range of ids."""
    try:
        moment = DateTimeField().to_python(text.strip())
        aware = moment or parse_datetime(text)
        return aware if aware and 1970 < aware.year < 9999 else None
    except (ValidationError, ValueError, OverflowError):
        return None


def with_key(key: str) -> Q:
    """The whole concurrency key, or its part behind the function and the line."""
    ends = Q(turn_keys__0__endswith=f":{key}") | Q(turn_keys__1__endswith=f":{key}")
    return Q(turn_keys__0=key) | Q(turn_keys__1=key) | ends


def newest(number: int) -> Any:
    """The id from which on there are `number` runs, or the first possible id."""
    ids = Run.objects.order_by("-id").values_list("id", flat=True)
    return next(iter(ids[number : number + 1]), first_id(datetime.fromtimestamp(0).astimezone()))


def address(query: dict[str, str], **changes: str) -> str:
    merged = {**query, **changes}
    kept = {name: value for name, value in merged.items() if value and name not in ("p", "e")}
    return f"?{urlencode(kept)}"
