"""Whether due runs are being claimed, in a sentence, by what clusters report (`Cluster.pulse`).

The pusher notes its last look, claim and problem in shared memory (worker_table); the sentinel
copies them to the row every two seconds. Without a recent look, a pusher hangs, fails or is gone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet, Subquery
from django.db.models.functions import Now

from jobs.models import Cluster, Reason, Run

SILENCE = timedelta(seconds=10)  # five reports
PATIENCE = 6.0  # seconds; looks come every second, reports every two
EXPLAINED = (Reason.FUNCTION, Reason.PAUSED, Reason.ASIDE)


def standstill(*, in_detail: bool = False) -> str:
    """Why due runs are not being claimed; empty while they are. `in_detail` adds a cluster's error,
    for operators.
    """
    heard = list(_alive_or_last())
    alive = [row for row in heard if row.stopped_at is None and row.now - row.seen_at < SILENCE]
    if not alive:
        return _silence(heard)
    pulses: list[dict[str, Any]] = [cluster.pulse for cluster in alive if cluster.pulse]
    if len(pulses) < len(alive):
        return ""  # an older version says less
    looking = [pulse for pulse in pulses if looks(pulse)]
    if not looking:
        return _blindness(pulses, in_detail)
    return _standstill(looking)


def _alive_or_last() -> QuerySet[Any]:
    """One query, even without a living cluster: every page of the panel makes it."""
    alive = Q(seen_at__gt=Now() - SILENCE, stopped_at__isnull=True)
    last = Subquery(Cluster.objects.order_by("-seen_at").values("pk")[:1])
    return Cluster.objects.annotate(now=Now()).filter(alive | Q(pk=last)).order_by("-seen_at")


def _silence(heard: list[Any]) -> str:
    if not heard:
        return "no cluster has ever been heard of"
    last = heard[0]
    return f"no cluster has been heard of for {(last.now - last.seen_at).total_seconds():.0f} s"


def looks(pulse: dict[str, Any]) -> bool:
    return pulse["looked"] is not None and pulse["looked"] <= PATIENCE


def _blindness(pulses: list[dict[str, Any]], in_detail: bool) -> str:
    times = [pulse["looked"] for pulse in pulses if pulse["looked"] is not None]
    since = f"for {min(times):.0f} s" if times else "since its start"
    why = next((f": {pulse['problem']}" for pulse in pulses if pulse["problem"] and in_detail), "")
    return f"no cluster has looked for due runs {since}{why}"


def _standstill(looking: list[dict[str, Any]]) -> str:
    if any(pulse["at_work"] >= pulse["workers"] for pulse in looking):
        return ""  # a queue for workers is normal
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
