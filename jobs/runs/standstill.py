"""Whether due runs are being taken, and what keeps them from it, in sentences.

A cluster's pusher writes into its cluster's shared memory when it last looked for due runs, when it
last claimed any, and what went wrong since (worker_table). The cluster's sentinel copies that into
the cluster's row every two seconds (`Cluster.pulse`), so that all machines know it. A pusher that
hangs, raises an error again and again, or is gone, is one that has not looked for a while.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.models import Cluster, Reason, Run

SILENCE = timedelta(seconds=10)  # a living cluster is heard of every two seconds
PATIENCE = 6.0  # seconds; a pusher looks every second, and its sentinel tells of it every two
# Of runs with these reasons each page says why they wait.
EXPLAINED = (Reason.FUNCTION, Reason.PAUSED, Reason.ASIDE)


def standstill(*, in_detail: bool = False) -> str:
    """One sentence that says that due runs are not being taken, and why; empty while they are. The
    detail, a cluster's own error, is for operators alone."""
    alive = list(_alive())
    if not alive:
        return _silence()
    pulses: list[dict[str, Any]] = [cluster.pulse for cluster in alive if cluster.pulse]
    if len(pulses) < len(alive):
        return ""  # an older version of the code, which tells less
    looking = [pulse for pulse in pulses if looks(pulse)]
    if not looking:
        return _blindness(pulses, in_detail)
    return _standstill(looking)


def _alive() -> QuerySet[Cluster]:
    heard = Cluster.objects.filter(seen_at__gt=Now() - SILENCE, stopped_at__isnull=True)
    return heard.order_by("-seen_at")


def _silence() -> str:
    last = Cluster.objects.annotate(now=Now()).order_by("-seen_at").first()
    if last is None:
        return "no cluster has ever been heard of"
    return f"no cluster has been heard of for {(last.now - last.seen_at).total_seconds():.0f} s"


def looks(pulse: dict[str, Any]) -> bool:
    """Whether the cluster of this pulse looks for due runs, as far as its sentinel knows."""
    return pulse["looked"] is not None and pulse["looked"] <= PATIENCE


def _blindness(pulses: list[dict[str, Any]], in_detail: bool) -> str:
    """Clusters are there, and none of them looks for due runs."""
    times = [pulse["looked"] for pulse in pulses if pulse["looked"] is not None]
    since = f"for {min(times):.0f} s" if times else "since its start"
    why = next((f": {pulse['problem']}" for pulse in pulses if pulse["problem"] and in_detail), "")
    return f"no cluster has looked for due runs {since}{why}"


def _standstill(looking: list[dict[str, Any]]) -> str:
    """A run is due, workers are free, and no cluster takes anything."""
    if any(pulse["at_work"] >= pulse["workers"] for pulse in looking):
        return ""  # runs wait for a worker, which is what a queue is for
    if any(pulse["claimed"] is not None and pulse["claimed"] <= PATIENCE for pulse in looking):
        return ""
    long_ago = Now() - timedelta(seconds=PATIENCE)
    due = Run.objects.filter(lease_token__isnull=True, due_at__lt=long_ago)
    due = due.exclude(reason__in=EXPLAINED).annotate(now=Now()).order_by("due_at")
    moments = due.values_list("now", "due_at").first()
    if moments is None or moments[1] is None:
        return ""
    seconds = (moments[0] - moments[1]).total_seconds()
    return f"no cluster takes the runs that are due, the oldest since {seconds:.0f} s"
