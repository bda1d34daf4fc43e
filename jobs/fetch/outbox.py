"""Requests on their way, as rows: taken under a lease, vouched for, landed.

1. One statement for a whole batch, which is a transaction of its own.
2. The log has one order: a commit that waits for the disk takes all earlier ones along. So of those
   that a request's way is made of only TAKE waits, once for a whole batch: before a request goes
   out, it is kept, and so is all that its run has done before. The workers' commits that leave
   the requests do not wait (unit_of_work, 3), nor does LAND: whoever goes on from an answer and
   does wait takes it along, so nothing that a run has built on is ever lost.
   What a crash of the database itself undoes is its last moment. A run is back where it was before
   it asked, and nobody has been asked; an answer that nobody has gone on from is asked for again
   after the lease, under its old Idempotency-Key, as after any death between an answer and its
   commit: a commit that waits has that gap too.
   The result URL of a 303 waits by itself: to lose it would be to order a second song.
3. Whose a request is, its lease token says; and once a sweep has taken that away, `sent_at`: while
   nobody has sent it again, whoever sent it last may lease it anew, and land it. So a database
   that was away for longer than a lease, or a gateway that stood still, repeats nothing by itself.
4. An answer's run is leased in the statement that lands it, if there is a worker for it: nobody has
   to be told, to look and to claim. Otherwise it is due, for any cluster.
5. Of several hosts the one with the fewest requests in the air goes first, and each host's oldest
   first; a host that is at its limit is passed by. `hosts` leaps through the index from one host
   to the next, so that nothing is read but what goes.
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
from jobs.fetch.flight import Flight, Landed
from jobs.fetch.lease import OURS, RELEASE, RELEASED, RENEW, SENT, leased
from jobs.platform.http.client import perform
from jobs.platform.http.exchange import Outcome, Request
from jobs.platform.postgres import notifier
from jobs.platform.postgres.query import Query
from jobs.registry import catalog
from jobs.runs.claim import Claim, lease_for
from jobs.runs.claim_row import ClaimRow, claims_of, run_facts
from jobs.runs.lease import leasing
from jobs.runs.unclaimable import claim_or_aside

logger = logging.getLogger("jobs.engine")

# Which host a request is for, as the index jobs_fetch_waiting has it: with its port, if it has one.
HOST = "lower(coalesce(substring(url, '//([^/?#]*)'), ''))"

TAKE = f"""
WITH RECURSIVE hosts(host) AS (
  (SELECT {HOST} FROM jobs_fetch WHERE status = 'pending' ORDER BY 1 LIMIT 1)
  UNION ALL
  SELECT (SELECT {HOST} FROM jobs_fetch
           WHERE status = 'pending' AND {HOST} > hosts.host ORDER BY 1 LIMIT 1)
    FROM hosts WHERE hosts.host IS NOT NULL
), oldest AS (
  SELECT f.id, coalesce(air.requests, 0)
               + row_number() OVER (PARTITION BY hosts.host ORDER BY f.id) AS turn
    FROM hosts LEFT JOIN unnest(%(hosts)s::text[], %(requests)s::int[]) AS air(host, requests)
                      ON air.host = hosts.host
   CROSS JOIN LATERAL (
         SELECT id FROM jobs_fetch
          WHERE status = 'pending' AND {HOST} = hosts.host ORDER BY id
          LIMIT greatest(least(%(limit)s, %(per_host)s - coalesce(air.requests, 0)), 0)
            FOR UPDATE SKIP LOCKED) AS f
), mine AS MATERIALIZED (
  SELECT id FROM oldest ORDER BY turn, id LIMIT %(limit)s
)
UPDATE jobs_fetch f SET {leased("%(token)s")}, sent_at = clock_timestamp()
 WHERE f.id = ANY(ARRAY(SELECT id FROM mine))
RETURNING f.id, f.run_id, f.step_name, f.sent_at, {HOST} AS host,
          f.method, f.url, f.headers, f.body, f.timeout, f.result_url
"""  # noqa: S608


class TakenRow(NamedTuple):
    """A request that was leased (models.Fetch says what its columns mean)."""

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


TAKEN = Query(TAKE, TakenRow)

REMEMBER = f"UPDATE jobs_fetch f SET result_url = %(url)s FROM {SENT} WHERE {OURS}"  # noqa: S608

# The rows travel as one JSON text. Runs are locked in their order, so that two gateways with
# answers for the same two runs do not wait for each other; and which runs are woken is said in
# wake.wake_runs.
LAND = f"""
WITH no_wait AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', true)
), landed AS (
  SELECT s.* FROM no_wait, jsonb_to_recordset(%(landed)s::jsonb)
      AS s(id uuid, token uuid, sent_at timestamptz, status text,
           response jsonb, error jsonb, answer jsonb)
), written AS (
  UPDATE jobs_fetch f SET status = s.status, response = s.response, error = s.error,
         ended_at = clock_timestamp(), {RELEASED}
    FROM landed s WHERE f.id = ANY(ARRAY(SELECT id FROM landed)) AND {OURS}
  RETURNING f.id, f.run_id, f.step_name, s.answer
), answered AS (
  UPDATE jobs_step SET output = w.answer, output_bytes = octet_length(w.answer::text)
    FROM written w
   WHERE jobs_step.run_id = ANY(ARRAY(SELECT run_id FROM written))
     AND jobs_step.run_id = w.run_id AND jobs_step.name = w.step_name
     AND jobs_step.status = 'running' AND w.answer IS NOT NULL
), waiting AS MATERIALIZED (
  SELECT r.status = 'waiting' AND r.lease_token IS NULL AND r.fn_id = ANY(%(known)s)
         AND r.turns_held = cardinality(r.turn_keys) AS is_free, {run_facts()}
    FROM jobs_run r
   WHERE r.id IN (SELECT run_id FROM written)
     AND (r.status IN ('waiting', 'running') OR r.status = 'queued' AND r.due_at IS NOT NULL)
   ORDER BY r.id FOR NO KEY UPDATE
), mine AS MATERIALIZED (
  SELECT * FROM waiting WHERE is_free AND NOT stands_still LIMIT %(room)s
), leased AS (
  UPDATE jobs_run r SET {leasing()} WHERE r.id = ANY(ARRAY(SELECT id FROM mine))
), woken AS (
  UPDATE jobs_run SET due_at = statement_timestamp()
   WHERE id = ANY(ARRAY(SELECT id FROM waiting EXCEPT SELECT id FROM mine)) RETURNING id
), claimed AS ({claims_of("mine")})
SELECT w.id AS request_id, (SELECT count(*) FROM woken) AS woken, c.*
  FROM written w LEFT JOIN claimed c ON c.id = w.run_id
"""  # noqa: S608


class LandedRow(NamedTuple):
    """A request whose answer was written, how many runs of the batch are due by it, and its own
    run, if that was leased; else nulls."""

    request_id: uuid.UUID
    woken: int
    run: ClaimRow


LANDED = Query(LAND, LandedRow)


def take(
    limit: int, per_host: int | None = None, air: Mapping[str, int] | None = None
) -> list[Flight]:
    """Lease up to `limit` pending requests; `air` is how many of each host are in the air."""
    token, air = uuid.uuid4(), air or {}
    asked: dict[str, Any] = {
        "token": token,
        "lease": conf.lease(),
        "limit": limit,
        "per_host": conf.gateway_per_host() if per_host is None else per_host,
        "hosts": list(air),
        "requests": list(air.values()),
    }
    return [_flight(row, token) for row in TAKEN.execute(asked)]


def _flight(row: TakenRow, token: uuid.UUID) -> Flight:
    headers = json.loads(row.headers) if isinstance(row.headers, str) else row.headers
    request = Request(row.method, row.url, headers, row.body, row.timeout, row.result_url)
    return Flight(row.id, row.run_id, row.step_name, token, row.sent_at, row.host, request)


def land(landed: Sequence[Landed], room: int = 0, worker: str = "") -> tuple[list[Claim], bool]:
    """Write what came back, lease up to `room` of the runs for a worker, make the others due: one
    statement. Returns the claims, and whether any run was made due.

    An outcome whose request is another gateway's by now, or nobody's, is dropped.
    """
    rows = json.dumps([_landing(*pair) for pair in landed], ensure_ascii=False)
    lease = lease_for(worker)
    asked = {"landed": rows, "room": room, "known": catalog.ids(), **lease}
    found = LANDED.execute(asked)
    written = {row.request_id for row in found}
    for flight, _ in landed:
        if flight.id not in written:
            logger.warning("An answer for run %s came too late and is dropped.", flight.run_id)
    claimed = {row.run.id: row.run for row in found if row.run.id is not None}
    read = [claim_or_aside(run, lease) for run in claimed.values()]
    return [claim for claim in read if claim is not None], any(row.woken for row in found)


def _landing(flight: Flight, outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": str(flight.id),
        "token": str(flight.token),
        "sent_at": flight.sent_at.isoformat(),
    }
    if outcome.error is not None:
        return row | {"status": "failed", "error": outcome.error}
    return row | {"status": "answered", "response": outcome.summary, "answer": outcome.answer}


def remember_result_url(flight: Flight, url: str) -> None:
    """Where the answer will be: whoever takes the request next asks there and sends nothing."""
    with connection.cursor() as cursor:
        cursor.execute(REMEMBER, {"url": url, **_sent([flight])})


def renew(flights: Sequence[Flight]) -> None:
    """Say that these are still in the air."""
    with connection.cursor() as cursor:
        cursor.execute(RENEW, {"lease": conf.lease(), **_sent(flights)})


def release(flights: Sequence[Flight]) -> None:
    """Let another gateway take these at once."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, _sent(flights))
    notifier.tell(notifier.ANYTHING)


def _sent(flights: Sequence[Flight]) -> dict[str, Any]:
    return {
        "ids": [flight.id for flight in flights],
        "tokens": [flight.token for flight in flights],
        "times": [flight.sent_at for flight in flights],
    }


def fly(flight: Flight) -> Outcome:
    """Make the request here and now, in this thread and on its connection (for tests and tools)."""
    return perform(flight.request, lambda url: remember_result_url(flight, url))
