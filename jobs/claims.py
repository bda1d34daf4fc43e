"""Taking due runs: a batch at a time, each under a lease (law 4)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from jobs import conf, registry
from jobs.clock import Clock
from jobs.concurrency import take_turns
from jobs.discovery import why_unknown
from jobs.errors import LeaseLost
from jobs.models import Reason, RegisteredFunction, Run
from jobs.options import seconds

# Asking again whether a function has come to be known, by a deployment, or was resumed.
SET_ASIDE_SECONDS = 30

DUE = """
SELECT r.id, r.fn_id, r.turn_keys, r.turns_held, r.attempt, r.steps_done,
       r.started_at IS NOT NULL OR r.rerun_of_id IS NOT NULL, r.lost_count, r.invoked_by_id,
       r.function_errors,
       e.id, e.name, e.data, e.dedupe_id, e.ts, clock_timestamp()
  FROM jobs_run r JOIN jobs_event e ON e.id = r.event_id
 WHERE r.due_at <= statement_timestamp() AND r.lease_token IS NULL
 ORDER BY r.due_at, r.id LIMIT %s
   FOR UPDATE OF r SKIP LOCKED
"""

LEASE = """
UPDATE jobs_run SET status = 'running', reason = '', due_at = NULL, worker = %(worker)s,
       begun = false, stop_requested = false, error = NULL,
       lease_token = %(token)s,
       lease_until = statement_timestamp() + make_interval(secs => %(lease)s),
       started_at = coalesce(started_at, statement_timestamp())
 WHERE id = ANY(%(ids)s)
"""

PARK = "UPDATE jobs_run SET due_at = NULL, reason = 'turn' WHERE id = ANY(%s)"

SET_ASIDE = """
UPDATE jobs_run SET reason = 'function', error = %(why)s,
       due_at = statement_timestamp() + make_interval(secs => %(seconds)s)
 WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run in the hands of one worker: what it needs to know to go on, and its token.

    Made of plain values, since it travels from the pusher's process to a worker's.
    """

    run_id: uuid.UUID
    fn_id: str
    token: uuid.UUID
    event_id: uuid.UUID
    event: dict[str, Any]  # name, data, id, ts
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


def claim(limit: int, worker: str = "") -> list[Claim]:
    """Take up to `limit` due runs whose turn it is.

    One transaction:
    1. lock due runs, passing by those that another cluster is looking at;
    2. set aside the runs of functions that this process does not know;
    3. let runs past their lines, park those whose turn it is not;
    4. write the leases.
    Losing this transaction in a crash loses nothing: the runs are still due, and a token that was
    never committed lets nobody write. So it does not wait for the disk.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute(DUE, [limit])
        token = uuid.uuid4()
        due = [_claim(row, token, worker) for row in cursor.fetchall()]
        known = [c for c in due if registry.knows(c.fn_id)]
        _set_aside([c for c in due if not registry.knows(c.fn_id)])
        known = _not_standing_still(known)
        mine = _whose_turn_it_is(known)
        parked = [c.run_id for c in known if c.run_id not in mine]
        if parked:
            cursor.execute(PARK, [parked])
        if mine:
            _limit_time([c for c in known if c.run_id in mine])
            lease = conf.lease()
            cursor.execute(
                LEASE, {"ids": list(mine), "worker": worker, "token": token, "lease": lease}
            )
    return [c for c in known if c.run_id in mine]


def _whose_turn_it_is(claims: list[Claim]) -> set[uuid.UUID]:
    free = {c.run_id for c in claims if not c.turn_keys}
    queued = [(c.run_id, c.turn_keys, c.turns_held) for c in claims if c.turn_keys]
    return free | take_turns(queued) if queued else free


def _set_aside(unknown: list[Claim]) -> None:
    """Let runs of functions that this process does not know wait visibly, and say why."""
    with connection.cursor() as cursor:
        for c in unknown:
            why = {"name": "UnknownFunction", "message": why_unknown(c.fn_id), "stack": ""}
            cursor.execute(
                SET_ASIDE, {"id": c.run_id, "why": json.dumps(why), "seconds": SET_ASIDE_SECONDS}
            )


def _not_standing_still(claims: list[Claim]) -> list[Claim]:
    """Set aside the runs of functions that are paused and stand still; the others."""
    still = RegisteredFunction.objects.filter(paused_at__isnull=False, stands_still=True)
    paused = set(still.values_list("fn_id", flat=True)) if claims else set()
    aside = [c.run_id for c in claims if c.fn_id in paused]
    if aside:
        Run.objects.filter(id__in=aside).update(
            due_at=Now() + timedelta(seconds=SET_ASIDE_SECONDS), reason=Reason.PAUSED
        )
    return [c for c in claims if c.fn_id not in paused]


def _limit_time(claims: list[Claim]) -> None:
    """A run that starts, or that a person retries, has kept its start timeout; from now on its
    finish timeout counts."""
    for c in claims:
        timeouts = registry.get(c.fn_id).timeouts
        if timeouts.start is not None or timeouts.finish is not None:
            finish = None if timeouts.finish is None else seconds(timeouts.finish)
            starts = Q(started_at__isnull=True) | Q(expires_at__isnull=True)
            Run.objects.filter(starts, id=c.run_id).update(
                expires_at=None if finish is None else Now() + timedelta(seconds=finish)
            )


def _claim(row: tuple[Any, ...], token: uuid.UUID, worker: str) -> Claim:
    run_id, fn_id, keys, turns, attempt, done, memory, lost, invoked_by, *rest = row
    function_errors, event_id, name, data, dedupe, ts, now = rest
    return Claim(
        run_id=run_id,
        fn_id=fn_id,
        token=token,
        event_id=event_id,
        event={
            "name": name,
            "data": json.loads(data) if isinstance(data, str) else data,
            "id": dedupe or str(event_id),
            "ts": _milliseconds(ts),
        },
        turn_keys=keys,
        turns_held=turns,
        attempt=attempt,
        steps_done=done,
        has_memory=memory,
        lost_count=lost,
        invoked_by=invoked_by,
        function_errors=function_errors,
        clock=Clock(now),
        worker=worker,
    )


def _milliseconds(ts: datetime) -> int:
    return round(ts.astimezone(UTC).timestamp() * 1000)


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
