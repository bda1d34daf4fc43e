from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.signing import SignedPackage
from django_q.status import Status

from jobs.admin.base import ReadOnlyAdmin
from jobs.admin.html import NOTHING, ago, badge, pretty
from jobs.admin.words import roughly
from jobs.models import Cluster
from jobs.runs.standstill import looks

SILENT = timedelta(seconds=15)


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin):
    list_display = ("key", "host", "health", "pid", "workers", "started", "heard")
    fields = ("key", "host", "health", "pid", "workers", "started", "heard", "last_words")

    @admin.display(description="health")
    def health(self, cluster: Cluster) -> SafeString:
        silence = timezone.now() - cluster.seen_at
        if silence < SILENT:
            return _what_keeps_it(cluster) or badge("alive")
        return format_html(
            '{} <span class="jobs-reason">for {}</span>', badge("silent"), roughly(silence)
        )

    @admin.display(description="process")
    def pid(self, cluster: Cluster) -> str:
        return str(said(cluster).get("pid") or NOTHING)

    @admin.display(description="workers")
    def workers(self, cluster: Cluster) -> str:
        workers = said(cluster).get("workers")
        if isinstance(workers, list):
            return f"{len(workers)} ({', '.join(str(pid) for pid in workers)})"
        return str(workers) if workers else NOTHING

    @admin.display(description="started")
    def started(self, cluster: Cluster) -> SafeString:
        return ago(cluster.started_at)

    @admin.display(description="last heard")
    def heard(self, cluster: Cluster) -> SafeString:
        return ago(cluster.seen_at)

    @admin.display(description="last report")
    def last_words(self, cluster: Cluster) -> SafeString:
        words = said(cluster)
        return pretty(words) if words else SafeString("none that can be read here")


def _what_keeps_it(cluster: Cluster) -> SafeString | None:
    """For a living cluster that does not look for due runs: why."""
    pulse = cluster.pulse
    if not pulse or looks(pulse):
        return None
    since = pulse["looked"]
    ago = f"for {since:.0f} s" if since is not None else "since its start"
    words = f"has not looked for due runs {ago}"
    why = f"{words}: {pulse['problem']}" if pulse["problem"] else words
    return format_html('{} <span class="jobs-reason">{}</span>', badge("stalled"), why)


def said(cluster: Cluster) -> dict[str, Any]:
    """The cluster's last report; empty if it cannot be read."""
    try:
        stat = SignedPackage.loads(cluster.stat)
    except Exception:  # unsigned, signed with another key, or from another django-q2
        return {}
    return vars(stat) if isinstance(stat, Status) else {}
