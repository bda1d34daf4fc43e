"""One cluster: its runs, their requests, and the workers that it lost."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.errors import WorkerLost
from jobs.lib.error_report import class_path
from jobs.metrics.clusters import ClusterFigures
from jobs.models import HOST_SQL, Run
from jobs.platform.postgres.named_rows import named_rows

MAX_LISTED = 50
MAX_REQUESTS = 3_000
MAX_ATTEMPTS = 5_000

HELD = """
SELECT id AS run_id, fn_id, status,
       extract(epoch FROM lease_until - statement_timestamp())::float8 AS seconds
  FROM (SELECT * FROM jobs_run WHERE lease_until IS NOT NULL
         ORDER BY lease_until DESC LIMIT %(most)s) AS leased
 WHERE worker = %(worker)s ORDER BY lease_until, id
"""
REQUESTS = f"""
SELECT {HOST_SQL} AS host, f.run_id, f.step_name AS step, f.timeout,
       coalesce(extract(epoch FROM statement_timestamp() - f.sent_at), 0)::float8 AS age
  FROM (SELECT url, run_id, step_name, timeout, sent_at FROM jobs_fetch
         WHERE lease_until IS NOT NULL ORDER BY lease_until DESC LIMIT %(most)s) AS f
  JOIN jobs_run r ON r.id = f.run_id
 WHERE r.worker = %(worker)s ORDER BY f.sent_at, f.run_id
"""  # noqa: S608
# The newest attempts only: a first try that goes well leaves none.
LOST = """
SELECT run_id, step_name AS step, ended_at AS at, error_message AS message
  FROM (SELECT * FROM jobs_attempt ORDER BY id DESC LIMIT %(most)s) AS newest
 WHERE error_class = %(lost)s AND worker = %(worker)s
   AND ended_at > statement_timestamp() - interval '24 hours'
 ORDER BY ended_at DESC
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A run under this cluster's lease; `seconds` until it ends, negative if it has."""

    run_id: uuid.UUID
    fn_id: str
    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestInFlight:
    """Times in seconds; `host` is the address's."""

    host: str
    run_id: uuid.UUID
    step: str
    timeout: float
    age: float


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker that vanished with a run."""

    run_id: uuid.UUID
    step: str  # empty: between two steps
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Insight:
    """Lists of at most MAX_LISTED. `requests` are of the runs that this cluster took last; `hosts`
    has their numbers, and the age of the oldest in seconds."""

    held: list[Held]
    held_runs: int
    requests: list[RequestInFlight]
    hosts: list[tuple[str, int, float]]
    lost: list[Lost]
    functions: dict[str, str]  # of its workers' runs, by the run's id


def insight(cluster: ClusterFigures) -> Insight:
    """Four queries; only that of functions for a cluster whose pusher is not known."""
    if not cluster.worker:
        return Insight([], 0, [], [], [], functions_of(work.run_id for work in cluster.at_work))
    asked: dict[str, Any] = {"worker": cluster.worker, "most": MAX_REQUESTS}
    lost = asked | {"most": MAX_ATTEMPTS, "lost": class_path(WorkerLost(""))}
    held = named_rows(Held, HELD, asked)
    in_flight = named_rows(RequestInFlight, REQUESTS, asked)
    gone = named_rows(Lost, LOST, lost)
    return Insight(
        held=held[:MAX_LISTED],
        held_runs=len(held),
        requests=in_flight[:MAX_LISTED],
        hosts=_by_host(in_flight),
        lost=gone[:MAX_LISTED],
        functions=functions_of(work.run_id for work in cluster.at_work),
    )


def functions_of(run_ids: Iterable[uuid.UUID]) -> dict[str, str]:
    ids = list(run_ids)
    if not ids:
        return {}
    found = Run.objects.filter(id__in=ids).values_list("id", "fn_id")
    return {str(run_id): fn_id for run_id, fn_id in found}


def _by_host(in_flight: list[RequestInFlight]) -> list[tuple[str, int, float]]:
    ages: dict[str, list[float]] = {}
    for request in in_flight:
        ages.setdefault(request.host, []).append(request.age)
    found = [(host, len(seconds), max(seconds)) for host, seconds in ages.items()]
    return sorted(found, key=lambda row: (-row[1], row[0]))
