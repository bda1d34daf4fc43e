"""The audit log: who did what to what, and when. It is Django's own log, which the panel writes
with every act; here it is read and never changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.base import ReadOnlyAdmin
from jobs.admin.filters import FunctionFilter
from jobs.admin.html import NOTHING, ago
from jobs.lib.excerpts import excerpt

MOST_PERSONS = 50


class PersonFilter(admin.SimpleListFilter):
    title = "person"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        acts = LogEntry.objects.filter(user_id=OuterRef("pk"))
        persons = get_user_model().objects.filter(Exists(acts)).order_by("username")
        return [(str(person.pk), person.get_username()) for person in persons[:MOST_PERSONS]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value() or ""
        return queryset.filter(user_id=wanted) if wanted.isdecimal() else queryset


class SpanFilter(admin.SimpleListFilter):
    title = "time"
    parameter_name = "span"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("hour", "Past hour"),
            ("8h", "Past 8 hours"),
            ("today", "Today"),
            ("yesterday", "Yesterday"),
            ("7d", "Past 7 days"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found = ends(self.value() or "")
        return queryset.filter(action_time__range=found) if found else queryset


def ends(span: str) -> tuple[datetime, datetime] | None:
    """The first and the last moment of one of SpanFilter's spans, in the site's zone."""
    now = timezone.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return {
        "hour": (now - timedelta(hours=1), now),
        "8h": (now - timedelta(hours=8), now),
        "today": (midnight, now),
        "yesterday": (midnight - timedelta(days=1), midnight),
        "7d": (now - timedelta(days=7), now),
    }.get(span)


class ActedOnFilter(FunctionFilter):
    """Acts on the function itself and on its runs, whose names begin with the function's."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        fn_id = self.value()
        if not fn_id:
            return queryset
        itself = Q(content_type__model="registeredfunction", object_id=fn_id)
        its_run = Q(content_type__model="run", object_repr__startswith=f"{fn_id} ")
        return queryset.filter(itself | its_run)


@admin.register(LogEntry)
class AuditLogAdmin(ReadOnlyAdmin):
    list_display = ("at", "person", "what", "on")
    list_display_links = None
    list_filter = (PersonFilter, SpanFilter, ActedOnFilter)
    list_select_related = ("user", "content_type")
    ordering = ("-id",)
    fields = ("at", "person", "what", "on")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"title": "Audit log"} | (extra_context or {}))

    @admin.display(description="when")
    def at(self, entry: LogEntry) -> SafeString:
        return ago(entry.action_time)

    @admin.display(description="who")
    def person(self, entry: LogEntry) -> str:
        return str(entry.user) if entry.user else NOTHING

    @admin.display(description="what")
    def what(self, entry: LogEntry) -> str:
        return excerpt(deed(entry), 400)

    @admin.display(description="on")
    def on(self, entry: LogEntry) -> SafeString:
        return link(entry)


def deed(entry: LogEntry) -> str:
    """“Retried from the failed step.”, “Added.”, “Deleted.”."""
    said = entry.get_change_message()
    return said or {1: "Added.", 2: "Changed.", 3: "Deleted."}.get(entry.action_flag, NOTHING)


def link(entry: LogEntry) -> SafeString:
    """What it was done to, with a link if the page is still there."""
    kind = entry.content_type.name if entry.content_type else "object"
    name = excerpt(f"{kind} {entry.object_repr}", 120)
    url = None if entry.is_deletion() else entry.get_admin_url()
    return format_html('<a href="{}">{}</a>', url, name) if url else format_html("{}", name)
