"""The pace of the engine's own unhurried work: while runs are under way, small portions and
rests.
"""

from __future__ import annotations

import time

from jobs.models import IS_DUE
from jobs.platform.postgres import statements

LOOK_INTERVAL = 0.25  # seconds

# Whether another function's run is leased, due, or just ended but not cancelled (a bulk action does
# that). Each part is ordered as an index, to be read from it whatever the statistics.
CROWDED = f"""
SELECT EXISTS (SELECT 1 FROM (
         SELECT fn_id FROM jobs_run WHERE lease_until IS NOT NULL
          ORDER BY lease_until DESC LIMIT 20) held WHERE fn_id <> %(fn_id)s)
    OR EXISTS (SELECT 1 FROM (
         SELECT fn_id FROM jobs_run WHERE {IS_DUE}
          ORDER BY due_at LIMIT 20) due WHERE fn_id <> %(fn_id)s)
    OR EXISTS (SELECT 1 FROM (
         SELECT fn_id, status FROM jobs_run WHERE ended_at > statement_timestamp() - interval '1 s'
          ORDER BY ended_at DESC LIMIT 100) ended
        WHERE fn_id <> %(fn_id)s AND status <> 'cancelled')
"""  # noqa: S608

# Event ids begin with the sender's milliseconds, by a clock that may be ahead.
FIRST_ID = """
(lpad(to_hex((extract(epoch FROM statement_timestamp()) * 1000)::bigint + {milliseconds}), 12, '0')
 || repeat('0', 20))::uuid"""
# The larger: an event may start several runs or none.
MADE = f"""
SELECT greatest(
  (SELECT count(*) FROM jobs_run WHERE ended_at > statement_timestamp() - interval '1 second'),
  (SELECT count(*) FROM jobs_event WHERE id > {FIRST_ID.format(milliseconds=-1000)}
                                     AND id < {FIRST_ID.format(milliseconds=2000)}))
"""  # noqa: S608


def is_crowded(fn_id: str) -> bool:
    return bool(statements.only_value(statements.execute_by_index(CROWDED, {"fn_id": fn_id})))


class Crowd:
    """Other functions' runs beside this one's, looked for every LOOK_INTERVAL seconds."""

    def __init__(self, fn_id: str) -> None:
        self._fn_id, self._is_there, self._looks_at = fn_id, False, 0.0

    def is_there(self) -> bool:
        if (now := time.monotonic()) >= self._looks_at:
            self._is_there, self._looks_at = is_crowded(self._fn_id), now + LOOK_INTERVAL
        return self._is_there


def made_in_a_second() -> int:
    return int(statements.only_value(statements.execute_by_index(MADE, {})))


def rest_after(busy: float, share: float) -> float:
    """In seconds, like `busy`."""
    return busy * (1 - share) / share
