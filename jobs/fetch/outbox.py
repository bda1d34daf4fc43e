"""Requests as rows: leased, renewed, answered.

1. One statement, and so one transaction, for a whole batch.
2. PostgreSQL's log has one order: a commit that waits for the disk takes all earlier ones along.
   Only LEASE_REQUESTS waits, once per batch: a request that goes out is on disk, with all that its
   run did before. A worker's commit of a request (unit_of_work) and STORE_RESPONSES do not wait:
   the run's next waiting commit takes them along. So a crash of the database loses only a request
   not yet sent, or a response that no run used. That one is asked for again after the lease, with
   the same Idempotency-Key, as after any death between response and commit. Storing a 303's result
   URL waits by itself: without it, the endpoint would do the work twice.
3. A request belongs to the holder of its lease token. After a sweep cleared it, the last sender,
   recognised by `sent_at`, may lease again and store its response until another gateway has sent
   the request. So neither an outage nor a gateway that stood still repeats one.
4. The statement that stores a response leases its run if a worker has room: no notification, look
   and claim. Else the run is due for any cluster.
5. A cancellation passes by requests that are locked here, so it is looked at once more when they
   are leased. One that commits later comes too late: the request is in flight.
6. The host with the fewest requests in flight goes first, with its oldest request, unless it is at
   its limit. `hosts` leaps through the index: only rows that go are read.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from jobs import conf
from jobs.events.wake import CAN_BE_WOKEN, waking
from jobs.fetch.lease import (
    IS_OURS,
    OUR_REQUESTS,
    RELEASE,
    RELEASED,
    RENEW,
    RUN_CANCELLED,
    failing,
    leased,
    requeue,
)
from jobs.fetch.leased_request import CompletedRequest, LeasedRequest
from jobs.models import HOST_SQL
from jobs.platform.http.client import perform
from jobs.platform.http.exchange import Request, RequestOutcome
from jobs.platform.postgres import notifier
from jobs.platform.postgres.query import Query
from jobs.registry import catalog
from jobs.runs.claim_row import ClaimRow, claims_of, run_facts
from jobs.runs.claimed_run import Claim, lease_for
from jobs.runs.lease import leasing
from jobs.runs.unclaimable import claim_or_aside

logger = logging.getLogger("jobs.engine")

LEASE_REQUESTS = f"""
WITH RECURSIVE hosts(host) AS (
  (SELECT {HOST_SQL} FROM jobs_fetch WHERE status = 'pending' ORDER BY 1 LIMIT 1)
  UNION ALL
  SELECT (SELECT {HOST_SQL} FROM jobs_fetch
           WHERE status = 'pending' AND {HOST_SQL} > hosts.host ORDER BY 1 LIMIT 1)
    FROM hosts WHERE hosts.host IS NOT NULL
), oldest AS (
  SELECT f.id, f.run_id, coalesce(in_flight.requests, 0)
               + row_number() OVER (PARTITION BY hosts.host ORDER BY f.id) AS turn
    FROM hosts LEFT JOIN unnest(%(hosts)s::text[], %(requests)s::int[]) AS in_flight(host, requests)
                      ON in_flight.host = hosts.host
   CROSS JOIN LATERAL (
         SELECT id, run_id FROM jobs_fetch
          WHERE status = 'pending' AND {HOST_SQL} = hosts.host ORDER BY id
          LIMIT greatest(least(%(limit)s, %(per_host)s - coalesce(in_flight.requests, 0)), 0)
            FOR UPDATE SKIP LOCKED) AS f
), mine AS MATERIALIZED (
  SELECT id, (SELECT status = 'cancelled' FROM jobs_run r WHERE r.id = run_id) AS is_cancelled
    FROM (SELECT id, run_id FROM oldest ORDER BY turn, id LIMIT %(limit)s) first
), unsent AS (
  UPDATE jobs_fetch f SET {failing(RUN_CANCELLED)}
   WHERE f.id = ANY(ARRAY(SELECT id FROM mine WHERE is_cancelled))
)
UPDATE jobs_fetch f SET {leased("%(token)s")}, sent_at = clock_timestamp()
 WHERE f.id = ANY(ARRAY(SELECT id FROM mine WHERE NOT is_cancelled))
RETURNING f.id, f.run_id, f.step_name, f.sent_at, {HOST_SQL} AS host,
          f.method, f.url, f.headers, f.body, f.timeout, f.result_url
"""  # noqa: S608


class LeasedRow(NamedTuple):
    id: uuid.UUID
    run_id: uuid.UUID
    step_name: str
    sent_at: datetime
    host: str
    method: str
    url: str
    headers: str  # JSON
    body: str
    timeout: float
    result_url: str


LEASING = Query(LEASE_REQUESTS, LeasedRow)

REMEMBER_RESULT_URL = f"""
UPDATE jobs_fetch f SET result_url = %(url)s FROM {OUR_REQUESTS} WHERE {IS_OURS}
"""  # noqa: S608

# Runs are locked in order, so that two gateways do not deadlock (wake.WAKE_MANY).
STORE_RESPONSES = f"""
WITH no_wait AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', true)
), completed AS (
  SELECT s.* FROM no_wait, jsonb_to_recordset(%(completed)s::jsonb)
      AS s(id uuid, token uuid, sent_at timestamptz, status text,
           head jsonb, error jsonb, response jsonb)
), written AS (
  UPDATE jobs_fetch f SET status = s.status, response = s.head, error = s.error,
         ended_at = clock_timestamp(), {RELEASED}
    FROM completed s WHERE f.id = ANY(ARRAY(SELECT id FROM completed)) AND {IS_OURS}
  RETURNING f.id, f.run_id, f.step_name, s.response
), answered AS (
  UPDATE jobs_step SET output = w.response, output_bytes = octet_length(w.response::text)
    FROM written w
   WHERE jobs_step.run_id = ANY(ARRAY(SELECT run_id FROM written))
     AND jobs_step.run_id = w.run_id AND jobs_step.name = w.step_name
     AND jobs_step.status = 'running' AND w.response IS NOT NULL
), waiting AS MATERIALIZED (
  SELECT r.status = 'waiting' AND r.lease_token IS NULL AND r.fn_id = ANY(%(known)s)
         AND r.turns_held = cardinality(r.turn_keys) AS is_free, {run_facts()}
    FROM jobs_run r
   WHERE r.id = ANY(ARRAY(SELECT run_id FROM written))
     AND {CAN_BE_WOKEN}
   ORDER BY r.id DESC FOR NO KEY UPDATE
), mine AS MATERIALIZED (
  SELECT * FROM waiting WHERE is_free AND NOT stands_still ORDER BY id LIMIT %(room)s
), leased AS (
  UPDATE jobs_run r SET {leasing()} WHERE r.id = ANY(ARRAY(SELECT id FROM mine))
), woken AS (
  {waking("r.id = ANY(ARRAY(SELECT id FROM waiting EXCEPT SELECT id FROM mine))")}
), claimed AS ({claims_of("mine")})
SELECT w.id AS request_id, (SELECT count(*) FROM woken) AS woken, c.*
  FROM written w LEFT JOIN claimed c ON c.id = w.run_id
"""  # noqa: S608


class StoredRow(NamedTuple):
    """`woken` runs are due by the batch. `run` is the request's if leased, else nulls."""

    request_id: uuid.UUID
    woken: int
    run: ClaimRow


STORING = Query(STORE_RESPONSES, StoredRow)


def lease_requests(
    limit: int, per_host: int | None = None, in_flight: Mapping[str, int] | None = None
) -> list[LeasedRequest]:
    """Lease up to `limit` pending requests; `in_flight` counts per host."""
    token, in_flight = uuid.uuid4(), in_flight or {}
    asked: dict[str, Any] = {
        "token": token,
        "lease": conf.lease(),
        "limit": limit,
        "per_host": conf.gateway_per_host() if per_host is None else per_host,
        "hosts": list(in_flight),
        "requests": list(in_flight.values()),
    }
    return [_leased_request(row, token) for row in LEASING.execute(asked)]


def _leased_request(row: LeasedRow, token: uuid.UUID) -> LeasedRequest:
    headers = json.loads(row.headers) if isinstance(row.headers, str) else row.headers
    request = Request(row.method, row.url, headers, row.body, row.timeout, row.result_url)
    return LeasedRequest(row.id, row.run_id, row.step_name, token, row.sent_at, row.host, request)


def store_responses(
    completed: Sequence[CompletedRequest], room: int = 0, worker: str = ""
) -> tuple[list[Claim], bool]:
    """Store outcomes, lease up to `room` of their runs for the worker and make the others due.
    Returns the claims, and whether a run is due. Drops outcomes of another sender's requests (3).
    """
    rows = json.dumps([_response_row(*pair) for pair in completed], ensure_ascii=False)
    lease = lease_for(worker)
    asked = {"completed": rows, "room": room, "known": catalog.ids(), **lease}
    found = STORING.execute(asked)
    written = {row.request_id for row in found}
    for leased_request, _ in completed:
        if leased_request.id not in written:
            logger.warning(
                "An answer for run %s came too late and is dropped.", leased_request.run_id
            )
    claimed = {row.run.id: row.run for row in found if row.run.id is not None}
    read = [claim_or_aside(run, lease) for run in claimed.values()]
    return [claim for claim in read if claim is not None], any(row.woken for row in found)


def _response_row(leased_request: LeasedRequest, outcome: RequestOutcome) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": str(leased_request.id),
        "token": str(leased_request.token),
        "sent_at": leased_request.sent_at.isoformat(),
    }
    if outcome.error is not None:
        return row | {"status": "failed", "error": outcome.error}
    return row | {"status": "answered", "head": outcome.head, "response": outcome.response}


def remember_result_url(leased_request: LeasedRequest, url: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REMEMBER_RESULT_URL, {"url": url, **_sent([leased_request])})


def renew(leased_requests: Sequence[LeasedRequest]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(RENEW, {"lease": conf.lease(), **_sent(leased_requests)})


def release(leased_requests: Sequence[LeasedRequest]) -> None:
    requeue(RELEASE, _sent(leased_requests))
    notifier.notify(notifier.ANYTHING)


def _sent(leased_requests: Sequence[LeasedRequest]) -> dict[str, Any]:
    return {
        "ids": [leased_request.id for leased_request in leased_requests],
        "tokens": [leased_request.token for leased_request in leased_requests],
        "times": [leased_request.sent_at for leased_request in leased_requests],
    }


def perform_now(leased_request: LeasedRequest) -> RequestOutcome:
    """In this thread, for tests and tools."""
    return perform(leased_request.request, lambda url: remember_result_url(leased_request, url))
