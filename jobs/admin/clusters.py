"""Clusters: whether there is too much to do, which live, and what each does."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django_q.signing import SignedPackage
from django_q.status import Status

from jobs.admin.base import ReadOnlyAdmin
from jobs.admin.tiles import Tile
from jobs.control.permission_names import VIEW_RUN
from jobs.lib.durations import in_words
from jobs.lib.excerpts import quoted
from jobs.metrics.cluster_load import MAX_ENDED, Due, due, ended, load
from jobs.metrics.clusters import ClusterFigures, Clusters, clusters
from jobs.metrics.one_cluster import insight
from jobs.models import Cluster
from jobs.platform.postgres.clock import database_clock

LIST, LIST_PART = "admin/jobs/cluster/change_list.html", "admin/jobs/cluster/list.html"
PAGE, PAGE_PART = "admin/jobs/cluster/change_form.html", "admin/jobs/cluster/cluster.html"
MAX_LISTED = 50


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin):
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {"title": "Clusters", "is_told": True} | overview()
        return self._shown(request, context, LIST, LIST_PART)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        key = unquote(object_id)
        row = None if "\0" in key else Cluster.objects.filter(pk=key).first()
        if row is None:
            raise Http404(f"There is no cluster {quoted(key, 80)}: a silent one is kept for a day.")
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, row):
            raise PermissionDenied
        return self._shown(request, one(row), PAGE, PAGE_PART)

    def _shown(
        self, request: HttpRequest, context: dict[str, Any], whole: str, part: str
    ) -> HttpResponse:
        may = request.user.has_perm
        context |= {"opts": self.opts, "now": database_clock().at, "may_see": may(VIEW_RUN)}
        if request.headers.get("HX-Request") == "true":
            return TemplateResponse(request, part, context)
        return TemplateResponse(request, whole, self.admin_site.each_context(request) | context)


def overview() -> dict[str, Any]:
    there, waiting = clusters(), due()
    latest, is_capped = ended()
    return {
        "load": load(there, waiting),
        "tiles": tiles(there, waiting),
        "clusters": there,
        "rows": [(cluster, latest.get(cluster.worker)) for cluster in there.clusters[:MAX_LISTED]],
        "most_ended": MAX_ENDED if is_capped else 0,
    }


def one(row: Cluster) -> dict[str, Any]:
    there = clusters()
    cluster = next((each for each in there.clusters if each.key == row.key), None)
    if cluster is None:
        raise Http404("This cluster is not among the 100 that were heard of last.")
    words = said(row)
    latest, is_capped = ended()
    return {
        "title": cluster.name,
        "cluster": cluster,
        "ended": latest.get(cluster.worker),
        "most_ended": MAX_ENDED if is_capped else 0,
        "insight": insight(cluster),
        "neighbours": neighbours(there, cluster),
        "words": words,
        "restarts": words.get("reincarnations"),
        "processes": words.get("workers") if isinstance(words.get("workers"), list) else [],
    }


def neighbours(there: Clusters, cluster: ClusterFigures) -> list[ClusterFigures]:
    return [each for each in there.clusters if each.host == cluster.host and each != cluster]


def tiles(there: Clusters, waiting: Due) -> list[Tile]:
    busy, workers = (sum(getattr(c, name) for c in there.alive) for name in ("busy", "workers"))
    in_flight = sum(cluster.in_flight or 0 for cluster in there.alive)
    unsent = max((host.oldest_queued for host in there.hosts), default=0.0)
    more = "+" if waiting.is_capped else ""
    oldest = f"oldest {in_words(waiting.oldest)}" if waiting.runs else "none is due"
    return [
        Tile("clusters alive", f"{len(there.alive):,}", f"{len(there.died):,} died in a day", ""),
        Tile("workers busy", f"{busy:,} of {workers:,}", "", ""),
        Tile("runs due", f"{waiting.runs:,}{more}", oldest, ""),
        Tile("requests in flight", f"{in_flight:,} of {there.limit:,}", "", ""),
        Tile(
            "wait to be sent",
            f"{there.queued:,}",
            f"oldest {in_words(unsent)}" if there.queued else "none waits",
            "",
        ),
    ]


def said(cluster: Cluster) -> dict[str, Any]:
    """The cluster's last report; empty if it cannot be read."""
    try:
        stat = SignedPackage.loads(cluster.stat)
    except Exception:  # unsigned, signed with another key, or from another django-q2
        return {}
    return vars(stat) if isinstance(stat, Status) else {}
