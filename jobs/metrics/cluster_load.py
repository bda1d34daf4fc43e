"""The clusters' load: what waits for a worker or to be sent, what could take it, and the outcomes
of each cluster's latest runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.db import connection

from jobs.lib.durations import in_words
from jobs.metrics.clusters import Clusters
from jobs.metrics.needs import LATE_AFTER
from jobs.platform.postgres.named_rows import named_rows
from jobs.runs.standstill import EXPLAINED

MAX_DUE = 3_000
MAX_ENDED = 3_000

# Runs of paused and unknown functions, and those set aside, are told of elsewhere.
DUE = """
SELECT count(*) AS runs,
       coalesce(extract(epoch FROM statement_timestamp() - min(due_at)), 0)::float8 AS oldest
  FROM (SELECT due_at FROM (SELECT due_at, lease_token, reason FROM jobs_run
                             WHERE due_at <= statement_timestamp()
                             ORDER BY due_at, id LIMIT %(most)s) AS first
         WHERE lease_token IS NULL AND reason <> ALL(%(explained)s)) AS due
"""
ENDED_COLUMNS = """
SELECT worker, count(*), count(*) FILTER (WHERE status = 'failed')
  FROM (SELECT worker, status FROM jobs_run
         WHERE ended_at >= statement_timestamp() - interval '24 hours'
         ORDER BY ended_at DESC LIMIT %(most)s) AS ended
 GROUP BY 1
"""


class Level(StrEnum):
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Due:
    """Due runs that no cluster has taken, up to MAX_DUE."""

    runs: int
    oldest: float  # seconds; 0 of none

    @property
    def is_capped(self) -> bool:
        return self.runs >= MAX_DUE


@dataclass(frozen=True, slots=True)
class Ended:
    """One cluster's runs among the latest MAX_ENDED of the past 24 hours."""

    runs: int
    failed: int

    @property
    def share(self) -> float:
        return self.failed / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """`sentence` says what is to be done; `advice`, what helps (empty: nothing needs to be)."""

    level: Level
    sentence: str
    advice: str


def due() -> Due:
    (found,) = named_rows(Due, DUE, {"most": MAX_DUE, "explained": [str(why) for why in EXPLAINED]})
    return found


def ended() -> tuple[dict[str, Ended], bool]:
    """By `Run.worker`; and whether the past 24 hours had more."""
    with connection.cursor() as cursor:
        cursor.execute(ENDED_COLUMNS, {"most": MAX_ENDED})
        found = {worker: Ended(runs, failed) for worker, runs, failed in cursor.fetchall()}
    return found, sum(one.runs for one in found.values()) >= MAX_ENDED


def load(there: Clusters, waiting: Due) -> Load:
    if not there.alive:
        return _no_cluster(there, waiting)
    parts, advice = [_due(waiting)], []
    if waiting.oldest > LATE_AFTER:
        advice.append(_more_workers(there))
    if there.queued:
        parts.append(_unsent(there))
        advice.append(_more_requests(there))
    if not waiting.runs and not there.queued:
        return Load(Level.GOOD, f"Nothing waits. {_busy(there)}", "")
    level = (
        Level.WARN
        if waiting.oldest > LATE_AFTER or _oldest_unsent(there) > LATE_AFTER
        else Level.GOOD
    )
    return Load(level, f"{'; '.join(filter(None, parts))}.", " ".join(advice))


def _no_cluster(there: Clusters, waiting: Due) -> Load:
    since = ""
    if there.clusters:
        since = f" The last one was heard of {in_words(there.clusters[0].silent_seconds)} ago."
    rest = f" {_due(waiting)}." if waiting.runs else ""
    advice = "Start one with “manage.py qcluster”."
    return Load(Level.BAD, f"No cluster is alive.{since}{rest}", advice)


def _due(waiting: Due) -> str:
    if not waiting.runs:
        return "No run is due"
    more = "+" if waiting.is_capped else ""
    return f"Due {waiting.runs:,}{more}, oldest {in_words(waiting.oldest)}"


def _unsent(there: Clusters) -> str:
    is_one = there.queued == 1
    verb = "request waits" if is_one else "requests wait"
    return f"{there.queued:,} {verb} to be sent, oldest {in_words(_oldest_unsent(there))}"


def _oldest_unsent(there: Clusters) -> float:
    return max((host.oldest_queued for host in there.hosts), default=0.0)


def _busy(there: Clusters) -> str:
    requests = f"{there.in_flight:,} of {there.limit:,} requests are in flight."
    return f"{there.busy} of {there.workers} workers are busy, {requests}"


def _more_workers(there: Clusters) -> str:
    if there.busy < there.workers:
        return (
            f"Only {there.busy} of {there.workers} workers are busy: look at the clusters' health."
        )
    return f"All {there.workers} workers are busy: start another cluster, or more workers."


def _more_requests(there: Clusters) -> str:
    if there.in_flight < there.limit:
        return "A host is at its limit (JOBS_GATEWAY_PER_HOST), or its requests go out just now."
    return f"All {there.limit:,} places are taken: raise JOBS_GATEWAY_LIMIT, or add a cluster."
