"""The audit log: acts with their operator, object and time. Every act of the panel adds to Django's
own log; this page only reads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.base import ReadOnlyAdmin
from jobs.admin.html import NOTHING, ago
from jobs.admin.logged_acts import Allowed, act_text, read_acts, target
from jobs.lib.excerpts import excerpt, quoted
from jobs.models import RegisteredFunction

MAX_PERSONS = 50
MAX_FUNCTIONS = 200
MAX_ID = 2**31 - 1  # an id of the log
SPANS = {
    "hour": "Past hour",
    "8h": "Past 8 hours",
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Past 7 days",
}
# One look into the index for each account; DISTINCT would read the whole log.
PERSONS = """
WITH RECURSIVE found AS (
    (SELECT user_id FROM django_admin_log ORDER BY user_id LIMIT 1)
    UNION ALL
    SELECT (SELECT user_id FROM django_admin_log
             WHERE user_id > found.user_id ORDER BY user_id LIMIT 1)
      FROM found WHERE found.user_id IS NOT NULL
) SELECT user_id FROM found WHERE user_id IS NOT NULL LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The address's usable parameters; `problems` has a sentence for each other one."""

    by: str
    span: str
    fn_id: str
    before: int | None
    problems: list[str]

    @property
    def condition(self) -> Q:
        found = Q()
        if self.by:
            found &= Q(user_id=self.by)
        if span := ends(self.span):
            found &= Q(action_time__range=span)
        if self.fn_id:
            found &= acted_on(self.fn_id)
        return found

    def query(self, **changes: str) -> str:
        given = {"by": self.by, "span": self.span, "fn_id": self.fn_id} | changes
        return urlencode({name: value for name, value in given.items() if value})


@admin.register(LogEntry)
class AuditLogAdmin(ReadOnlyAdmin):
    def has_view_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        """The right is one to all entries: no backend gives it for a single one."""
        return super().has_view_permission(request)

    def get_fields(self, request: HttpRequest, obj: LogEntry | None = None) -> Any:
        @admin.display(description="on")
        def on(entry: LogEntry) -> SafeString:
            return link(entry, request.user.has_perm)

        return ("at", "person", "what", on)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = asked(request.GET)
        for problem in wanted.problems:
            messages.error(request, problem)
        found = read_acts(request.user.has_perm, wanted.condition, wanted.before)
        context = {
            **self.admin_site.each_context(request),
            "title": "Audit log",
            "asked": wanted,
            "acts": found.acts,
            "older": wanted.query(before=str(found.older)) if found.older else "",
            "unfiltered": not wanted.query() and wanted.before is None,
            "newest": wanted.query() if wanted.before is not None else None,
            "persons": persons(),
            "spans": SPANS,
            "functions": list(functions()),
        }
        return TemplateResponse(request, "admin/jobs/audit_log.html", context)

    @admin.display(description="when")
    def at(self, entry: LogEntry) -> SafeString:
        return ago(entry.action_time)

    @admin.display(description="who")
    def person(self, entry: LogEntry) -> str:
        return str(entry.user) if entry.user else NOTHING

    @admin.display(description="what")
    def what(self, entry: LogEntry) -> str:
        return excerpt(act_text(entry), 400)


def asked(given: QueryDict) -> Asked:
    by, span, fn_id, before = (given.get(name, "") for name in ("by", "span", "fn_id", "before"))
    problems = []
    if by and not _is_id(by):
        problems.append(f"{quoted(by, 40)} is no account's number: acts of all persons are shown.")
        by = ""
    if span and span not in SPANS:
        allowed = ", ".join(SPANS)
        problems.append(
            f"{quoted(span, 40)} is no span; {allowed} are: acts of all time are shown."
        )
        span = ""
    if "\0" in fn_id:
        problems.append("A function's id has no NUL character: acts on all of them are shown.")
        fn_id = ""
    if before and not _is_id(before):
        problems.append(f"{quoted(before, 40)} is no place in the log: its newest acts are shown.")
        before = ""
    return Asked(by, span, fn_id, int(before) if before else None, problems)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= MAX_ID


def acted_on(fn_id: str) -> Q:
    """Acts on the function itself and its runs, whose names begin with its id."""
    itself = Q(content_type__model="registeredfunction", object_id=fn_id)
    its_run = Q(content_type__model="run", object_repr__startswith=f"{fn_id} ")
    return itself | its_run


def ends(span: str) -> tuple[datetime, datetime] | None:
    now = timezone.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return {
        "hour": (now - timedelta(hours=1), now),
        "8h": (now - timedelta(hours=8), now),
        "today": (midnight, now),
        "yesterday": (midnight - timedelta(days=1), midnight),
        "7d": (now - timedelta(days=7), now),
    }.get(span)


def persons() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(PERSONS, [MAX_PERSONS])
        ids = [user_id for (user_id,) in cursor.fetchall()]
    found = get_user_model()._default_manager.in_bulk(ids).values()
    return sorted(((str(user.pk), user.get_username()) for user in found), key=lambda it: it[1])


def functions() -> Any:
    return RegisteredFunction.objects.values_list("fn_id", flat=True)[:MAX_FUNCTIONS]


def link(entry: LogEntry, may: Allowed) -> SafeString:
    found = target(entry, may)
    if not found.url:
        return format_html("{}", found.name)
    return format_html('<a href="{}">{}</a>', found.url, found.name)
