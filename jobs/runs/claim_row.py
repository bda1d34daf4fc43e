"""A claim's columns: `run_facts` has the run's, before the lease; `claims_of` adds the event's."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import NamedTuple


class ClaimRow(NamedTuple):
    id: uuid.UUID
    fn_id: str
    turn_keys: list[str]
    turns_held: int
    attempt: int
    steps_done: int
    lost_count: int
    invoked_by_id: uuid.UUID | None
    function_errors: int
    requeue_count: int
    event_id: uuid.UUID
    has_memory: bool
    event_name: str
    event_data: str  # JSON
    event_dedupe_id: str
    event_ts: datetime
    claimed_at: datetime


OF_THE_EVENT = {
    "event_name": "e.name",
    "event_data": "e.data",
    "event_dedupe_id": "e.dedupe_id",
    "event_ts": "e.ts",
    "claimed_at": "clock_timestamp()",
}
OF_THE_RUN = [name for name in ClaimRow._fields if name not in OF_THE_EVENT]

# A run that never started has a memory only if it is a rerun from a step: the remembered steps were
# copied. `rerun_of_id` does not tell: retention deletes the first run of one that was cancelled
# before its start, and a retry then finds none.
HAS_MEMORY = "r.started_at IS NOT NULL OR r.steps_done > 0"

# It stands still with its function, or was invoked while that was paused (fan_out.hold_if_paused).
STANDS_STILL = """
         (r.fn_id = ANY(ARRAY(SELECT fn_id FROM jobs_registeredfunction
                               WHERE stands_still AND paused_at IS NOT NULL))
          OR r.reason = 'paused'
         AND r.fn_id = ANY(ARRAY(SELECT fn_id FROM jobs_registeredfunction
                                  WHERE paused_at IS NOT NULL)))"""


def run_facts() -> str:
    """Columns of a run `r`: a claim's facts, and whether it `stands_still`."""
    own = ", ".join(f"r.{name}" for name in OF_THE_RUN if name != "has_memory")
    return f"{own}, {HAS_MEMORY} AS has_memory, {STANDS_STILL} AS stands_still"


def claims_of(source: str, *besides: str) -> str:
    """`source` is a table or query with `run_facts`; each row is `besides`, then a ClaimRow."""
    own = [f"r.{name}" for name in OF_THE_RUN]
    of_the_event = [f"{column} AS {name}" for name, column in OF_THE_EVENT.items()]
    return f"""
SELECT {", ".join([*besides, *own, *of_the_event])} FROM {source} r
 CROSS JOIN LATERAL (SELECT * FROM jobs_event WHERE id = r.event_id LIMIT 1) e"""  # noqa: S608
