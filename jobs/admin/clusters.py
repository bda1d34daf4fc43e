from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.signing import SignedPackage
from django_q.status import Status

from jobs.admin.base import ReadOnlyAdmin
from jobs.admin.charts import in_words
from jobs.admin.html import NOTHING, ago, badge, pretty
from jobs.admin.words import roughly
from jobs.metrics.clusters import DIED, STALLED, STOPPED, Clusters, clusters, health_of
from jobs.metrics.needs import LATE
from jobs.metrics.present import Present, present
from jobs.models import Cluster

WHOLE, FRAGMENT = "admin/jobs/cluster/change_list.html", "admin/jobs/cluster/part.html"


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin):
    list_display = ("key",)  # the page is the panel's own
    fields = ("key", "host", "health", "pid", "workers", "started", "heard", "last_words")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The clusters, and whether they have too much to do."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        there, now = clusters(), present()
        context = {
            **self.admin_site.each_context(request),
            "title": "Clusters",
            "clusters": there,
            "present": now,
            "verdict": verdict(there, now),
        }
        is_fragment = request.headers.get("HX-Request") == "true"
        return TemplateResponse(request, FRAGMENT if is_fragment else WHOLE, context)

    @admin.display(description="health")
    def health(self, cluster: Cluster) -> SafeString:
        now = timezone.now()
        health = health_of(cluster, now)
        return format_html(
            '{} <span class="jobs-reason">{}</span>',
            badge(health),
            {
                STALLED: _what_keeps_it(cluster),
                STOPPED: "in good order",
                DIED: f"silent for {roughly(now - cluster.seen_at)}",
            }.get(health, ""),
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


def verdict(there: Clusters, now: Present) -> str:
    """Whether it is too much for them, and what would help."""
    if not there.alive:
        return f"No cluster is alive; {now.queued:,} runs are queued."
    busy, workers = (sum(getattr(c, name) for c in there.alive) for name in ("busy", "workers"))
    flying = sum(host.in_flight for host in there.hosts)
    late = now.oldest_due_seconds > LATE
    advice = []
    if late and busy >= workers:
        advice.append("more workers (CLUSTER_WORKERS) or another cluster would help")
    if there.queued and flying >= there.limit:
        advice.append("a higher JOBS_GATEWAY_LIMIT would help, if the endpoint bears it")
    oldest = f", the oldest due for {in_words(now.oldest_due_seconds)}" if now.oldest_due else ""
    told = (
        f"{now.queued:,} runs are queued{oldest}; {busy} of {workers} workers are busy; "
        f"{flying:,} of {there.limit:,} requests are in flight, {there.queued:,} wait to be sent."
    )
    if not advice:
        return f"{told} It is not too much."
    words = "; ".join(advice)
    return f"{told} {words[0].upper()}{words[1:]}."


def _what_keeps_it(cluster: Cluster) -> str:
    """Why a living cluster does not look for due runs."""
    pulse = cluster.pulse or {}
    since = pulse.get("looked")
    ago = f"for {since:.0f} s" if since is not None else "since its start"
    words = f"has not looked for due runs {ago}"
    return f"{words}: {pulse['problem']}" if pulse.get("problem") else words


def said(cluster: Cluster) -> dict[str, Any]:
    """The cluster's last report; empty if it cannot be read."""
    try:
        stat = SignedPackage.loads(cluster.stat)
    except Exception:  # unsigned, signed with another key, or from another django-q2
        return {}
    return vars(stat) if isinstance(stat, Status) else {}
