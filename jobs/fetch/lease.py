"""A gateway's right to send a request: how it is taken, renewed, and released.

A request under a lease has a token and a time; one that waits to be sent, or that has ended, has
neither. Each statement that gives, keeps or ends a lease is built here.
"""

from __future__ import annotations

from django.db import connection

# Assignments of an UPDATE of jobs_fetch `f`.
RELEASED = "lease_token = NULL, lease_until = NULL"


def leased(token: str) -> str:
    """The assignments that lease a request for %(lease)s seconds under this token (SQL)."""
    until = "clock_timestamp() + make_interval(secs => %(lease)s)"
    return f"status = 'sending', lease_token = {token}, lease_until = {until}"


# Still the sender's, under a lease or after one (outbox, 3); `s` is what the sender says.
OURS = "f.id = s.id AND (f.lease_token = s.token OR f.status = 'pending' AND f.sent_at = s.sent_at)"
SENT = """unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(times)s::timestamptz[])
          AS s(id, token, sent_at)"""

RENEW = f"UPDATE jobs_fetch f SET {leased('s.token')} FROM {SENT} WHERE {OURS}"  # noqa: S608


def handing_on(which: str, sent_at: str) -> str:
    """The statement that has another gateway send these requests (a query of their ids), whose own
    is gone, or goes. A request whose run has ended is not sent again: no run waits for its answer.
    `sent_at` says when it was sent, in the eyes of a gateway that comes back (outbox, 3)."""
    return f"""
UPDATE jobs_fetch f SET {RELEASED}, sent_at = {sent_at},
       status = CASE WHEN r.ended_at IS NULL THEN 'pending' ELSE 'failed' END,
       error = CASE WHEN r.ended_at IS NULL THEN f.error
                    ELSE jsonb_build_object('message', 'its run has ended', 'final', true) END,
       ended_at = CASE WHEN r.ended_at IS NOT NULL THEN statement_timestamp() END
  FROM jobs_run r WHERE r.id = f.run_id AND f.id IN ({which})
RETURNING f.id
"""  # noqa: S608


LAPSED = """
SELECT id FROM jobs_fetch WHERE lease_until < statement_timestamp()
 ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED
"""
HAND_ON_LAPSED = handing_on(LAPSED, sent_at="f.sent_at")

# Its gateway sends these no more.
RELEASE = handing_on(
    f"SELECT f.id FROM jobs_fetch f, {SENT} WHERE {OURS} FOR UPDATE OF f",  # noqa: S608
    sent_at="NULL",
)


def hand_on_lapsed() -> int:
    """Have requests sent again, under the same Idempotency-Key, whose lease has lapsed: their
    gateway is gone. Returns how many they were."""
    with connection.cursor() as cursor:
        cursor.execute(HAND_ON_LAPSED)
        return int(cursor.rowcount)
