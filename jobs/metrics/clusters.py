"""Clusters for operators, from their rows and those of requests: alive, stopped or died, how busy,
with which requests."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from jobs import conf
from jobs.models import HOST_SQL, Cluster
from jobs.platform.postgres.named_rows import named_rows
from jobs.runs.standstill import SILENCE, looks

ALIVE, STALLED, STOPPED, DIED = "alive", "stalled", "stopped", "died"
MAX_REQUESTS = 3_000

REQUESTS = f"""
SELECT {HOST_SQL} AS host,
       count(*) FILTER (WHERE status = 'sending') AS in_flight,
       count(*) FILTER (WHERE status = 'pending') AS queued,
       coalesce(extract(epoch FROM statement_timestamp()
                - min(sent_at) FILTER (WHERE status = 'sending')), 0)::float8
         AS oldest_in_flight,
       coalesce(extract(epoch FROM statement_timestamp()
                - min(created_at) FILTER (WHERE status = 'pending')), 0)::float8 AS oldest_queued
  FROM ((SELECT url, status, sent_at, created_at FROM jobs_fetch
          WHERE lease_until IS NOT NULL ORDER BY lease_until DESC LIMIT %(most)s)
        UNION ALL
        (SELECT url, status, sent_at, created_at FROM jobs_fetch
          WHERE status = 'pending' LIMIT %(most)s)) AS requests
 GROUP BY host ORDER BY in_flight DESC, queued DESC, host
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class AtWork:
    pid: int
    run_id: uuid.UUID
    step: str  # empty: between two steps
    seconds: float | None  # at this step; None: not known


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """`name` is “host:process”; `key` is the row's."""

    key: str
    name: str
    host: str
    health: str  # ALIVE, STALLED (looks for no due runs), STOPPED or DIED
    problem: str  # what keeps a stalled one
    started_at: datetime
    seen_at: datetime
    silent_seconds: float  # since it was heard of
    stopped_at: datetime | None
    busy: int
    workers: int  # 0: not known
    at_work: list[AtWork]
    version: str
    in_flight: int | None  # None: not known
    limit: int  # of these
    memory: int | None  # None: not known
    secrets: dict[str, str]  # keyed digests, by name
    worker: str  # Run.worker of its runs; empty: not known

    @property
    def is_alive(self) -> bool:
        return self.health in (ALIVE, STALLED)


@dataclass(frozen=True, slots=True)
class HostFigures:
    """Requests of all clusters to one host, up to MAX_REQUESTS."""

    host: str
    in_flight: int
    queued: int
    oldest_in_flight: float  # seconds; 0 of none
    oldest_queued: float


@dataclass(frozen=True, slots=True)
class Clusters:
    """The living ones first, then the latest ended."""

    clusters: list[ClusterFigures]
    hosts: list[HostFigures]

    @property
    def alive(self) -> list[ClusterFigures]:
        return [cluster for cluster in self.clusters if cluster.is_alive]

    @property
    def died(self) -> list[ClusterFigures]:
        return [cluster for cluster in self.clusters if cluster.health == DIED]

    @property
    def versions(self) -> list[str]:
        return sorted({cluster.version for cluster in self.alive if cluster.version})

    @property
    def unlike_secrets(self) -> list[str]:
        said: dict[str, set[str]] = {}
        for cluster in self.alive:
            for name, digest in cluster.secrets.items():
                said.setdefault(name, set()).add(digest)
        return sorted(name for name, digests in said.items() if len(digests) > 1)

    @property
    def names_of_workers(self) -> dict[str, str]:
        """Names by Run.worker; of two clusters, the one heard of last."""
        by_silence = sorted(self.clusters, key=lambda cluster: -cluster.silent_seconds)
        return {cluster.worker: cluster.name for cluster in by_silence if cluster.worker}

    @property
    def queued(self) -> int:
        return sum(host.queued for host in self.hosts)

    @property
    def limit(self) -> int:
        return sum(cluster.limit for cluster in self.alive)

    @property
    def in_flight(self) -> int:
        return sum(cluster.in_flight or 0 for cluster in self.alive)

    @property
    def workers(self) -> int:
        return sum(cluster.workers for cluster in self.alive)

    @property
    def busy(self) -> int:
        """Workers of living clusters."""
        return sum(cluster.busy for cluster in self.alive)


def clusters() -> Clusters:
    """Two queries; the 100 clusters heard of last."""
    return Clusters(_heard_of(), _hosts())


def worker_names() -> dict[str, str]:
    """The clusters' names by Run.worker. One query."""
    return Clusters(_heard_of(), []).names_of_workers


def _heard_of() -> list[ClusterFigures]:
    rows = Cluster.objects.annotate(now=Now()).order_by("-seen_at")[:100]
    found = [_figures(row, row.now) for row in rows]
    return sorted(found, key=lambda c: (not c.is_alive, c.silent_seconds))


def health_of(row: Cluster, now: datetime) -> str:
    if row.stopped_at is not None:
        return STOPPED
    if now - row.seen_at > SILENCE:
        return DIED
    is_starting = now - row.started_at < SILENCE
    return STALLED if row.pulse and not looks(row.pulse) and not is_starting else ALIVE


def _figures(row: Cluster, now: datetime) -> ClusterFigures:
    pulse: dict[str, Any] = row.pulse if isinstance(row.pulse, dict) else {}
    health = health_of(row, now)
    is_alive = health in (ALIVE, STALLED)
    at_work = [AtWork(*entry) for entry in pulse.get("at", [])] if is_alive else []
    return ClusterFigures(
        key=row.key,
        name=f"{row.host}:{pulse['pid']}" if pulse.get("pid") else row.host or row.key,
        host=row.host,
        health=health,
        problem=str(pulse.get("problem") or "") if health == STALLED else "",
        started_at=row.started_at,
        seen_at=row.seen_at,
        silent_seconds=max((now - row.seen_at).total_seconds(), 0.0),
        stopped_at=row.stopped_at if health == STOPPED else None,
        busy=pulse.get("at_work", 0) if is_alive else 0,
        workers=pulse.get("workers", 0),
        at_work=at_work,
        version=row.version,
        in_flight=pulse.get("in_flight") if is_alive else None,
        limit=pulse.get("limit") or conf.gateway_limit(),
        memory=pulse.get("memory") if is_alive else None,
        secrets=pulse.get("secrets") or {},
        worker=f"{row.host}/{pulse['pusher']}" if pulse.get("pusher") else "",
    )


def _hosts() -> list[HostFigures]:
    return named_rows(HostFigures, REQUESTS, {"most": MAX_REQUESTS})
