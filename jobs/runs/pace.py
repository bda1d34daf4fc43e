"""How fast the engine does work of its own that has no hurry.

Beside runs the engine works a share of the time and rests in between, so that it takes only that
share of processors and disk. With no run in sight it does not rest. Each portion of work is small,
so the rests are short too.
"""

from __future__ import annotations

from jobs.platform.postgres import statements

# Whether a run of another function is leased, or due, or has just ended other than by cancellation,
# which a bulk action may have done. Each part is ordered as an index is, so that PostgreSQL reads
# from that index whatever the statistics say.
CROWDED = """
SELECT EXISTS (SELECT 1 FROM (
         SELECT fn_id FROM jobs_run WHERE lease_until IS NOT NULL
          ORDER BY lease_until DESC LIMIT 20) held WHERE fn_id <> %(fn_id)s)
    OR EXISTS (SELECT 1 FROM (
         SELECT fn_id FROM jobs_run WHERE due_at <= statement_timestamp() AND lease_token IS NULL
          ORDER BY due_at LIMIT 20) due WHERE fn_id <> %(fn_id)s)
    OR EXISTS (SELECT 1 FROM (
         SELECT fn_id, status FROM jobs_run WHERE ended_at > statement_timestamp() - interval '1 s'
          ORDER BY ended_at DESC LIMIT 100) ended
        WHERE fn_id <> %(fn_id)s AND status <> 'cancelled')
"""

# The larger of the two, since an event may start several runs or none. Ids of events begin with
# their time, by the senders' clocks.
MADE = """
SELECT greatest(
  (SELECT count(*) FROM jobs_run WHERE ended_at > statement_timestamp() - interval '1 second'),
  (SELECT count(*) FROM jobs_event
    WHERE id > (lpad(to_hex((extract(epoch FROM statement_timestamp()) * 1000)::bigint - 1000),
                     12, '0') || repeat('0', 20))::uuid))
"""


def is_crowded(fn_id: str) -> bool:
    """Whether runs of other functions are under way."""
    return bool(statements.execute(CROWDED, {"fn_id": fn_id})[0][0])


def made_in_a_second() -> int:
    """How many runs have ended, or events have come, within the last second."""
    return int(statements.execute(MADE, {})[0][0])


def rest_after(busy: float, share: float) -> float:
    """Seconds to rest after `busy` seconds of work, to have worked this share of the time."""
    return busy * (1 - share) / share
