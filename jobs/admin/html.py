"""HTML that the panel's pages share, escaped."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.in_flight import InFlight
from jobs.admin.words import is_stalled, situation, span
from jobs.lib.excerpts import begun, excerpt
from jobs.models import Attempt, Event, Run

MAX_SHOWN = 20_000  # characters of a text
# U+202A to U+202E, U+2066 to U+2069
TURNING = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
NOTHING = "–"
NONE = SafeString('<span class="jobs-quiet">none</span>')


def badge(status: str) -> SafeString:
    return format_html('<span class="jobs-badge jobs-{}">{}</span>', status, status or NOTHING)


def run_status(
    run: Run, now: datetime, retries: int | None = None, flight: InFlight | None = None
) -> SafeString:
    """Status, reason, and “stalled” if the lease has run out."""
    reason = situation(run, now, retries, flight)
    return format_html(
        "{}{}{}",
        badge(run.status),
        format_html(' <span class="jobs-reason">· {}</span>', reason) if reason else "",
        format_html(" {}", badge("stalled")) if is_stalled(run, now) else "",
    )


def ago(moment: datetime | None) -> SafeString:
    if moment is None:
        return SafeString(NOTHING)
    return _time(moment, naturaltime(moment))


def tried(attempt: Attempt) -> SafeString:
    """An attempt in a line: how it ended, when it began, how long it took, and where."""
    on = format_html(' <span class="jobs-quiet">on {}</span>', attempt.worker)
    return format_html(
        "{} {}, {}{}",
        badge(attempt.status),
        ago(attempt.started_at),
        span(attempt.duration),
        on if attempt.worker else "",
    )


def short(value: Any, limit: int) -> str:
    """The value's beginning, secrets masked."""
    return excerpt(str(value), limit)


def moment(at: datetime) -> SafeString:
    """“2026-11-28 02:12 UTC 7 minutes ago”."""
    local = timezone.localtime(at)
    return format_html(
        '<time class="jobs-nowrap" datetime="{}">{} {}</time> <small class="jobs-quiet">{}</small>',
        local.isoformat(),
        f"{local:%Y-%m-%d %H:%M}",
        local.tzname(),
        naturaltime(at),
    )


def log_time(at: datetime) -> SafeString:
    """The time of day to the millisecond, with its day in the title."""
    local = timezone.localtime(at)
    return _time(at, f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}")


def clock(moment: datetime) -> SafeString:
    """“02:09:15 UTC”, with its day in the title."""
    local = timezone.localtime(moment)
    return _time(moment, f"{local:%H:%M:%S} {local.tzname()}")


def _time(moment: datetime, words: str) -> SafeString:
    """The words, with the exact time in the title: paper shows that (jobs/admin.css)."""
    exact = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(),
        f"{exact:%Y-%m-%d %H:%M:%S}.{exact.microsecond // 1000:03d} {exact.tzname()}",
        words,
    )


def kind_url(kind: str) -> str:
    query = urlencode({"status__exact": "failed", "open": "1", "kind": kind})
    return f"{reverse('admin:jobs_run_changelist')}?{query}"


def block(text: str) -> SafeString:
    if len(text) <= MAX_SHOWN:
        return _pre(excerpt(text, MAX_SHOWN))
    return format_html(
        '{}<p class="jobs-quiet">The first {} of {} characters.</p>',
        _pre(excerpt(text, MAX_SHOWN)),
        f"{MAX_SHOWN:,}",
        f"{len(text):,}",
    )


def beginning(text: str, whole: str) -> SafeString:
    """The start of a text read no further (excerpts.begins)."""
    return format_html(
        '{}<p class="jobs-quiet">The first {} characters of {}.</p>',
        _pre(begun(text, MAX_SHOWN)),
        f"{MAX_SHOWN:,}",
        whole,
    )


def _pre(text: str) -> SafeString:
    """The keyboard can reach one that may scroll."""
    text = undirected(text)
    may_scroll = len(text) > 1_000 or text.count("\n") > 16
    focus = SafeString(' tabindex="0"') if may_scroll else ""
    return format_html('<pre class="jobs-text"{}>{}</pre>', focus, text)


def undirected(text: str) -> str:
    """With escapes for the characters that turn the direction of what follows: they would show a
    text in another order than it has. In JSON the escapes are the same value."""
    return text.translate(TURNING)


def pretty(value: Any) -> SafeString:
    return block(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def run_link(run_id: Any, text: str = "") -> SafeString:
    url = reverse("admin:jobs_run_change", args=[run_id])
    return format_html('<a href="{}">{}</a>', url, text or str(run_id))


def run_page_of(query: dict[str, str], run_id: Any) -> str:
    url = reverse("admin:jobs_run_change", args=[run_id])
    return f"{url}?{urlencode({'_changelist_filters': urlencode(query)})}" if query else url


def event_link(event: Event) -> SafeString:
    url = reverse("admin:jobs_event_change", args=[event.pk])
    return format_html('<a href="{}">{}</a>', url, event.name)


def lines(items: list[Any]) -> SafeString:
    if not items:
        return SafeString(NOTHING)
    return format_html_join("", "<div>{}</div>", ((item,) for item in items))
