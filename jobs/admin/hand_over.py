"""The hand-over: what the next shift has to know, as a text that can be copied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from jobs.admin.audit_log import deed
from jobs.events import requester
from jobs.lib.excerpts import excerpt
from jobs.metrics.clusters import clusters
from jobs.metrics.failures import Failures, failures
from jobs.metrics.needs import needs
from jobs.metrics.paused import Paused, paused, unknown
from jobs.metrics.present import present

SHIFT = timedelta(hours=8)
MOST_ACTS = 100
MOST_KINDS = 30


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """For accounts that may see runs; the acts only for those that may read the audit log."""
    if not request.user.has_perm("jobs.view_run"):
        raise PermissionDenied
    with_acts = request.user.has_perm("admin.view_logentry")
    context |= {"title": "Hand-over", "words": "\n".join(lines(with_acts))}
    return TemplateResponse(request, "admin/hand_over.html", context)


def lines(with_acts: bool) -> list[str]:
    """About a dozen queries, each bounded."""
    now, there, failing, stopped = present(), clusters(), failures(), paused()
    told = [str(need) for need in needs(now, there, failing, stopped, unknown(now))]
    parts = [
        [f"Hand-over, {clock(now.at)}", *(told or ["Nothing needs an operator."])],
        ["Open failures:", *_failures(failing)],
        ["Paused functions:", *_paused(stopped)],
    ]
    if with_acts:
        parts.append(["Acts of the last 8 hours:", *_acts(now.at)])
    return [line for part in parts for line in (*part, "")]


def _failures(failing: Failures) -> Iterator[str]:
    if not failing.groups:
        yield "- none"
    for group in failing.groups[:MOST_KINDS]:
        keys = f"{group.keys:,} key{'' if group.keys == 1 else 's'}"
        since = f"first {clock(group.first)}, last {clock(group.last)}"
        yield f"- {group.runs:,} × {excerpt(group.label, 200)} ({keys}, {since})"


def _paused(stopped: list[Paused]) -> Iterator[str]:
    if not stopped:
        yield "- none"
    for one in stopped:
        by = requester.account(one.by).name if one.by else ""
        told = f" by {by}" if by else ""
        why = f": “{one.reason}”" if one.reason else ", no reason is given"
        skipped = f" {one.skipped:,} runs were skipped." if one.skipped else ""
        yield f"- {one.fn_id}, since {clock(one.since)}{told}{why}.{skipped} {one.effect}".rstrip()


def _acts(now: datetime) -> Iterator[str]:
    entries = LogEntry.objects.filter(action_time__gte=now - SHIFT).select_related("user")
    found = list(entries.order_by("-id")[:MOST_ACTS])
    if not found:
        yield "- none"
    for entry in found:
        what, on = excerpt(deed(entry), 200), excerpt(entry.object_repr, 80)
        yield f"- {clock(entry.action_time)} {entry.user}: {what} ({on})"


def clock(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"
