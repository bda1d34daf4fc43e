"""Taking due runs: a batch at a time, each under a lease (law 4)."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from jobs import concurrency, conf, notifier, registry, shares, statements, unfit
from jobs.clock import Clock
from jobs.concurrency import making_way, take_turns
from jobs.discovery import why_unknown
from jobs.error_reports import describe
from jobs.errors import InvalidFunction, LeaseLost
from jobs.models import Attempt, AttemptStatus, Reason, Run
from jobs.options import seconds
from jobs.statements import Rows, Statement

logger = logging.getLogger("jobs.engine")

FREE = (True, False, False)  # its function is known, does not stand still, and it is in no line

# Asking again whether a function has come to be known, by a deployment, or was resumed.
SET_ASIDE_SECONDS = 30

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

# Due runs of every class (see shares), those that another cluster is looking at left out. A run in
# no line, or past all of its lines, is leased at once; what keeps the others is told. There is one
# row at least, which says how the look went.
TAKE = f"""
WITH RECURSIVE {shares.CLASSES}, due AS MATERIALIZED (
  SELECT ready.number, picked.*,
         row_number() OVER (PARTITION BY ready.number ORDER BY picked.due_at, picked.id) AS place
    FROM ready CROSS JOIN LATERAL (
         SELECT r.due_at, r.fn_id = ANY(%(known)s) AS is_known,
                r.turns_held < cardinality(r.turn_keys) AS stands_in_line, {BEFORE}
           FROM jobs_run r
          WHERE {shares.OF_CLASS} LIMIT {shares.SHARE}
            FOR UPDATE SKIP LOCKED) picked),
leased AS (
  UPDATE jobs_run r SET {LEASE}
   WHERE r.id = ANY(ARRAY(SELECT id FROM due
                           WHERE is_known AND NOT stands_still AND NOT stands_in_line)))
SELECT {shares.SHARE}, {shares.NEXT}, taken.*
  FROM (SELECT) look LEFT JOIN LATERAL (
       SELECT number, place, is_known, stands_still, stands_in_line, {CLAIMED}
         FROM due r {ITS_EVENT}) taken ON true
 ORDER BY place, number
"""  # noqa: S608

# The turn that a run of this function leaves, taken up at once by the worker that it leaves free:
# the first in the line is leased, if it is past all of its lines then, by the same rules as any
# other (see concurrency). Otherwise it is woken.
GO_ON = f"""
WITH first AS MATERIALIZED ({concurrency.FIRST}),
next AS MATERIALIZED (
  SELECT r.lease_token IS NULL AND r.turns_held + 1 = cardinality(r.turn_keys)
         AND {concurrency.PASSES} AS passes, {BEFORE}
    FROM jobs_run r WHERE r.id = (SELECT id FROM first)),
leased AS (
  UPDATE jobs_run r SET turns_held = turns_held + 1, {LEASE}
   WHERE r.id = (SELECT id FROM next WHERE passes AND NOT stands_still)),
woken AS (
  UPDATE jobs_run SET due_at = statement_timestamp(), reason = ''
   WHERE id = (SELECT id FROM next WHERE stands_still OR NOT passes)
  RETURNING id)
SELECT passes AND NOT stands_still, (SELECT 'run' FROM woken), {CLAIMED}
  FROM next r {ITS_EVENT}
"""  # noqa: S608

# A run that is leased under this token, as a claim of it.
LEASED = f"""
SELECT {CLAIMED} FROM (SELECT r.*, true AS has_memory FROM jobs_run r
                        WHERE r.id = %(run_id)s AND r.lease_token = %(token)s) r {ITS_EVENT}
"""  # noqa: S608

SET_ASIDE = """
UPDATE jobs_run SET reason = %(reason)s, error = %(why)s,
       due_at = statement_timestamp() + make_interval(secs => %(seconds)s)
 WHERE id = %(id)s AND due_at <= statement_timestamp() AND lease_token IS NULL
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
        return {"name": name, "data": json.loads(self.event_data), "id": id, "ts": ts}


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


def claim(limit: int, worker: str = "") -> list[Claim]:
    """Take up to `limit` due runs whose turn it is."""
    return look(limit, worker)[0]


def look(limit: int, worker: str) -> tuple[list[Claim], bool]:
    """Take due runs whose turn it is, `limit` due ones being looked at, of every function alike
    (see shares); and whether there may be more.

    Each statement is a transaction, and right whatever became of the one before it:
    1. lease the due runs that stand in no line, or are past all of theirs;
    2. set aside those whose function this process does not know, or which is to stand still;
    3. let the others past their lines, lease those that are through, park the rest.
    To lose one of them in a crash loses nothing: the runs are still due, and a token that was
    never written lets nobody write.
    """
    lease = lease_for(worker)
    rows = statements.execute(TAKE, {**lease, "known": registry.ids(), **shares.asked(limit)})
    (share, next_after), due = rows[0][:2], [row[2:] for row in rows if row[2] is not None]
    may_be_more = shares.here.goes_on(share, next_after, [number for number, *_ in due])
    read = [(row[2:5], claim_or_aside(row[5:], lease)) for row in due]
    found = [(kept, c) for kept, c in read if c is not None]
    mine = {c.run_id for kept, c in found if kept == FREE}
    in_line = [c for (is_known, is_still, _), c in found if is_known and not is_still]
    in_line = [c for c in in_line if c.run_id not in mine]
    if in_line:
        queued = [(c.run_id, c.turn_keys, c.turns_held) for c in in_line]
        mine |= take_turns(queued, in_line[0].clock.at, lease)
    for (is_known, is_still, _), c in found:
        if not is_known or is_still:
            _set_aside(c, Reason.PAUSED if is_still else Reason.FUNCTION)
    return [c for _, c in found if c.run_id in mine], may_be_more


def lease_for(worker: str) -> dict[str, Any]:
    """What is written into the rows that are leased."""
    timed = {f.fn_id: f.timeouts.finish for f in registry.all_functions()}
    finish = {fn_id: seconds(span) for fn_id, span in timed.items() if span is not None}
    return {
        "worker": worker,
        "token": uuid.uuid4(),
        "lease": conf.lease(),
        "finish": json.dumps(finish),
    }


def _set_aside(c: Claim, reason: Reason) -> None:
    """Let a run wait visibly that this process cannot take up, and say why."""
    why = None
    if reason == Reason.FUNCTION:
        story = {"name": "UnknownFunction", "message": why_unknown(c.fn_id), "stack": ""}
        why = json.dumps(story)
    told: dict[str, Any] = {
        "id": c.run_id,
        "reason": reason,
        "why": why,
        "seconds": SET_ASIDE_SECONDS,
    }
    with transaction.atomic():
        statements.execute(SET_ASIDE, told)
        notifier.pass_on(statements.together(*making_way(c.turn_keys, c.turns_held)))
    if unfit.why(c.fn_id) is not None:
        _note_unfit(c)


def _note_unfit(c: Claim) -> None:
    """Its function cannot be used, which the run's page tells among its attempts, once."""
    kind = f"{InvalidFunction.__module__}.{InvalidFunction.__qualname__}"
    if not Attempt.objects.filter(run_id=c.run_id, error_class=kind).exists():
        Attempt.objects.create(
            run_id=c.run_id,
            status=AttemptStatus.ERROR,
            started_at=c.clock.at,
            ended_at=c.clock.at,
            worker=c.worker,
            error_class=kind,
            error_message=unfit.why(c.fn_id) or "",
        )


# A run that cannot be taken up: no other run waits behind it.
ASIDE = """
UPDATE jobs_run SET status = 'queued', reason = 'aside', error = %(why)s,
       lease_token = NULL, lease_until = NULL, requeue_count = requeue_count + 1,
       due_at = statement_timestamp() + make_interval(secs => %(seconds)s)
"""
UNREADABLE = f"{ASIDE} WHERE id = %(id)s AND lease_token = %(token)s"
FIRST = f"""{ASIDE} WHERE id = ({shares.FIRST})"""


def set_first_aside(error: BaseException) -> None:
    """Let the run wait visibly that the next look would take first: the look fails at it."""
    _put_aside(FIRST, error, **shares.asked(1))


def claim_or_aside(row: tuple[Any, ...], lease: dict[str, Any]) -> Claim | None:
    """The claim that a row says; a run whose row cannot be read waits visibly, alone."""
    try:
        return claim_of(row, lease)
    except Exception as error:
        logger.exception("Run %s cannot be claimed", row[0])
        _put_aside(UNREADABLE, error, id=row[0], token=lease["token"])
        return None


def _put_aside(statement: str, error: BaseException, **where: Any) -> None:
    told = {"why": json.dumps(describe(error)), "seconds": SET_ASIDE_SECONDS, **where}
    with connection.cursor() as cursor:
        cursor.execute(statement, told)


def claim_of(row: tuple[Any, ...], lease: dict[str, Any]) -> Claim:
    """What a statement returns as CLAIMED, under this lease."""
    run_id, fn_id, keys, turns, attempt, done, lost, invoked_by, function_errors, *rest = row
    event_id, has_memory, name, data, dedupe, ts, now = rest
    return Claim(
        run_id=run_id,
        fn_id=fn_id,
        token=lease["token"],
        event_id=event_id,
        event_facts=(name, dedupe or str(event_id), _milliseconds(ts)),
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


def going_on(claimed: Claim) -> Statement:
    """To be executed when a run has ended that stood in one line: who is next in it is leased for
    the same worker, if anybody is, and if it is his turn. See `gone_on`."""
    key = {"key": claimed.turn_keys[0], "line": 0}
    return concurrency.of_line(GO_ON, 0), lease_for(claimed.worker) | key


def gone_on(statement: Statement, rows: Rows) -> Claim | None:
    """The claim that `going_on` has made, if it has."""
    return next((claim_of(row[2:], dict(statement[1])) for row in rows if row[0]), None)


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
