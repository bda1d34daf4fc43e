"""A claim: a run in the hands of one worker, under a lease (law 4)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

from jobs import conf
from jobs.errors import LeaseLost
from jobs.events.event import EventPayload, milliseconds, own_id
from jobs.models import Run
from jobs.platform.postgres import statements
from jobs.platform.postgres.clock import Clock
from jobs.registry import catalog
from jobs.registry.options import seconds

# What is written into a run `r` that is leased.
LEASE = """
         due_at = NULL, reason = '', error = NULL, begun = false, stop_requested = false,
         status = 'running', worker = %(worker)s, lease_token = %(token)s,
         lease_until = statement_timestamp() + make_interval(secs => %(lease)s),
         started_at = coalesce(started_at, statement_timestamp()),
         expires_at = CASE WHEN started_at IS NULL OR expires_at IS NULL
                           THEN statement_timestamp() + make_interval(
                                secs => (%(finish)s::jsonb ->> r.fn_id)::double precision)
                           ELSE expires_at END
"""


# What a claim needs of a run `r` as it was before, and of its event `e` (see claim_of). A run
# stands still with its function, or when it was invoked while that was paused (hold_if_paused).
BEFORE = """
         r.id, r.fn_id, r.turn_keys, r.turns_held, r.attempt, r.steps_done, r.lost_count,
         r.invoked_by_id, r.function_errors, r.event_id,
         r.started_at IS NOT NULL OR r.rerun_of_id IS NOT NULL AS has_memory,
         (r.fn_id = ANY(ARRAY(SELECT fn_id FROM jobs_registeredfunction
                               WHERE stands_still AND paused_at IS NOT NULL))
          OR r.reason = 'paused'
         AND r.fn_id = ANY(ARRAY(SELECT fn_id FROM jobs_registeredfunction
                                  WHERE paused_at IS NOT NULL))) AS stands_still
"""
CLAIMED = """
       r.id, fn_id, turn_keys, turns_held, attempt, steps_done, lost_count, invoked_by_id,
       function_errors, event_id, has_memory, e.name, e.data, e.dedupe_id, e.ts, clock_timestamp()
"""
ITS_EVENT = "CROSS JOIN LATERAL (SELECT * FROM jobs_event WHERE id = r.event_id LIMIT 1) e"


# A run that is leased under this token, as a claim of it.
LEASED = f"""
SELECT {CLAIMED} FROM (SELECT r.*, true AS has_memory FROM jobs_run r
                        WHERE r.id = %(run_id)s AND r.lease_token = %(token)s) r {ITS_EVENT}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Claim:
    """A run in the hands of one worker: what it needs to know to go on, and its token.

    Made of plain values, since it travels from the pusher's process to a worker's.
    """

    run_id: uuid.UUID
    fn_id: str
    token: uuid.UUID
    event_id: uuid.UUID
    event_facts: tuple[str, str, int]  # name, id, ts
    event_data: str  # JSON, read by the worker alone: see `event`
    turn_keys: list[str]
    turns_held: int  # before this claim; all of them after it
    attempt: int
    steps_done: int
    has_memory: bool
    lost_count: int
    invoked_by: uuid.UUID | None
    function_errors: int
    clock: Clock
    worker: str = ""

    @property
    def event(self) -> dict[str, Any]:
        """A new copy of the run's event: name, data, id, ts. What its data may do to the process
        that reads it, is done to the worker that executes this run, and to no pusher."""
        name, id, ts = self.event_facts
        return EventPayload(name, json.loads(self.event_data), id, ts).as_json()


@dataclass(frozen=True, slots=True)
class LargeClaim:
    """A claim that is too large for the way to a worker: the worker reads it from the run's row."""

    run_id: uuid.UUID
    token: uuid.UUID
    worker: str

    def read(self) -> Claim | None:
        """The claim; None if the run is in other hands by now."""
        rows = statements.execute(LEASED, {"run_id": self.run_id, "token": self.token})
        lease = {"token": self.token, "worker": self.worker}
        return claim_of(rows[0], lease) if rows else None


def lease_for(worker: str) -> dict[str, Any]:
    """What is written into the rows that are leased."""
    timed = {f.fn_id: f.timeouts.finish for f in catalog.all_functions()}
    finish = {fn_id: seconds(span) for fn_id, span in timed.items() if span is not None}
    return {
        "worker": worker,
        "token": uuid.uuid4(),
        "lease": conf.lease(),
        "finish": json.dumps(finish),
    }


def claim_of(row: tuple[Any, ...], lease: dict[str, Any]) -> Claim:
    """What a statement returns as CLAIMED, under this lease."""
    run_id, fn_id, keys, turns, attempt, done, lost, invoked_by, function_errors, *rest = row
    event_id, has_memory, name, data, dedupe, ts, now = rest
    return Claim(
        run_id=run_id,
        fn_id=fn_id,
        token=lease["token"],
        event_id=event_id,
        event_facts=(name, own_id(dedupe, event_id), milliseconds(ts)),
        event_data=data,
        turn_keys=keys,
        turns_held=turns,
        attempt=attempt,
        steps_done=done,
        has_memory=has_memory,
        lost_count=lost,
        invoked_by=invoked_by,
        function_errors=function_errors,
        clock=Clock(now),
        worker=lease["worker"],
    )


def refreshed(claimed: Claim) -> Claim:
    """The same claim after its worker has committed: with a memory, and the counts of now."""
    run = Run.objects.filter(id=claimed.run_id, lease_token=claimed.token).first()
    if run is None:
        raise LeaseLost(f"run {claimed.run_id} is in other hands")
    return replace(
        claimed,
        has_memory=True,
        attempt=run.attempt,
        function_errors=run.function_errors,
        steps_done=run.steps_done,
    )
