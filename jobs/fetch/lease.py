"""A gateway's right to send a request: taken, renewed, released. Every such statement is built
here.

Only a leased request has a token and a time.
"""

from __future__ import annotations

import json
from typing import Any

from django.db import connection

from jobs.runs import turns

# Assignments of an UPDATE of jobs_fetch `f`.
RELEASED = "lease_token = NULL, lease_until = NULL"


def leased(token: str) -> str:
    """Assignments that lease for %(lease)s seconds under this token (SQL)."""
    until = "clock_timestamp() + make_interval(secs => %(lease)s)"
    return f"status = 'sending', lease_token = {token}, lease_until = {until}"


# Errors of requests whose runs wait for no answer.
RUN_CANCELLED = {"message": "cancelled", "final": True}
RUN_ENDED = {"message": "its run has ended", "final": True}


def failing(error: dict[str, Any]) -> str:
    """Assignments that end it unsent."""
    return f"status = 'failed', error = '{json.dumps(error)}', ended_at = statement_timestamp()"


# Leased, or after its lease (outbox, 3); `s` is what the gateway has sent.
IS_OURS = (
    "f.id = s.id AND (f.lease_token = s.token OR f.status = 'pending' AND f.sent_at = s.sent_at)"
)
OUR_REQUESTS = """unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(times)s::timestamptz[])
          AS s(id, token, sent_at)"""

RENEW = f"UPDATE jobs_fetch f SET {leased('s.token')} FROM {OUR_REQUESTS} WHERE {IS_OURS}"  # noqa: S608


def requeueing(which: str, sent_at: str) -> str:
    """Queue a gateway's requests (a query of ids and run ids) again, except those of ended runs,
    which wait for no answer. `sent_at` recognises a gateway that comes back (outbox, 3).

    A run that another transaction locks may be ending there: its request stays as it is, and the
    next sweep finds it. A parked run, retried while its request was in flight, may miss its turn
    while it is locked here (requeue).
    """
    return f"""
WITH meant AS MATERIALIZED ({which}),
runs AS MATERIALIZED (
  SELECT id, ended_at FROM jobs_run WHERE id = ANY(ARRAY(SELECT run_id FROM meant))
     FOR SHARE SKIP LOCKED)
UPDATE jobs_fetch f SET {RELEASED}, sent_at = {sent_at},
       status = CASE WHEN r.ended_at IS NULL THEN 'pending' ELSE 'failed' END,
       error = CASE WHEN r.ended_at IS NULL THEN f.error
                    ELSE '{json.dumps(RUN_ENDED)}' END,
       ended_at = CASE WHEN r.ended_at IS NOT NULL THEN statement_timestamp() END
  FROM runs r WHERE r.id = f.run_id AND f.id = ANY(ARRAY(SELECT id FROM meant))
RETURNING f.run_id
"""  # noqa: S608


LAPSED_REQUESTS = """
SELECT id, run_id FROM jobs_fetch WHERE lease_until < statement_timestamp()
 ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED
"""
REQUEUE_LAPSED = requeueing(LAPSED_REQUESTS, sent_at="f.sent_at")

# Its gateway sends these no more.
RELEASE = requeueing(
    f"SELECT f.id, f.run_id FROM jobs_fetch f, {OUR_REQUESTS} WHERE {IS_OURS} FOR UPDATE OF f",  # noqa: S608
    sent_at="NULL",
)


def requeue_lapsed() -> int:
    """Returns how many requests are sent again."""
    return requeue(REQUEUE_LAPSED)


def requeue(statement: str, values: dict[str, Any] | None = None) -> int:
    """One of `requeueing`, and the turns that it made others pass by."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        run_ids = [run_id for (run_id,) in cursor.fetchall()]
    turns.wake_passed_by(run_ids)
    return len(run_ids)
