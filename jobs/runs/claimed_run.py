"""A run in the hands of one worker, under a lease (law 4)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

from jobs import conf
from jobs.errors import LeaseLost
from jobs.events.event import EventPayload, milliseconds, own_id
from jobs.lib.durations import seconds
from jobs.models import Run
from jobs.platform.postgres.clock import Clock
from jobs.platform.postgres.query import Query
from jobs.registry import catalog
from jobs.runs.claim_row import ClaimRow, claims_of

READ_CLAIM = Query(
    claims_of(
        "(SELECT r.*, true AS has_memory FROM jobs_run r"
        " WHERE r.id = %(run_id)s AND r.lease_token = %(token)s)"
    ),
    ClaimRow,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Plain values, for pickling."""

    run_id: uuid.UUID
    fn_id: str
    token: uuid.UUID
    event_id: uuid.UUID
    event_facts: tuple[str, str, int]  # name, id, ts
    event_data: str  # JSON
    turn_keys: list[str]
    turns_held: int  # before this claim
    attempt: int
    steps_done: int
    has_memory: bool
    lost_count: int
    invoked_by: uuid.UUID | None
    function_errors: int
    clock: Clock
    worker: str = ""
    requeue_count: int = 0

    @property
    def event(self) -> dict[str, Any]:
        """A new copy. The worker parses it, so harmful data never harms a pusher."""
        name, id, ts = self.event_facts
        return EventPayload(name, json.loads(self.event_data), id, ts).as_json()


@dataclass(frozen=True, slots=True)
class LargeClaim:
    """Too large for the pipe: the worker reads the claim from the run's row."""

    run_id: uuid.UUID
    token: uuid.UUID
    worker: str

    def read(self) -> Claim | None:
        """None if the run is in other hands."""
        rows = READ_CLAIM.execute({"run_id": self.run_id, "token": self.token})
        lease = {"token": self.token, "worker": self.worker}
        return claim_of(rows[0], lease) if rows else None


def lease_for(worker: str) -> dict[str, Any]:
    timed = {f.fn_id: f.timeouts.finish for f in catalog.all_functions()}
    finish = {fn_id: seconds(span) for fn_id, span in timed.items() if span is not None}
    return {
        "worker": worker,
        "token": uuid.uuid4(),
        "lease": conf.lease(),
        "finish": json.dumps(finish),
    }


def claim_of(row: ClaimRow, lease: dict[str, Any]) -> Claim:
    id = own_id(row.event_dedupe_id, row.event_id)
    return Claim(
        run_id=row.id,
        fn_id=row.fn_id,
        token=lease["token"],
        event_id=row.event_id,
        event_facts=(row.event_name, id, milliseconds(row.event_ts)),
        event_data=row.event_data,
        turn_keys=row.turn_keys,
        turns_held=row.turns_held,
        attempt=row.attempt,
        steps_done=row.steps_done,
        has_memory=row.has_memory,
        lost_count=row.lost_count,
        invoked_by=row.invoked_by_id,
        function_errors=row.function_errors,
        requeue_count=row.requeue_count,
        clock=Clock(row.claimed_at),
        worker=lease["worker"],
    )


def reload(claim: Claim) -> Claim:
    run = Run.objects.held(claim.run_id, claim.token).first()
    if run is None:
        raise LeaseLost(claim.run_id)
    return replace(
        claim,
        has_memory=True,
        attempt=run.attempt,
        function_errors=run.function_errors,
        steps_done=run.steps_done,
    )
