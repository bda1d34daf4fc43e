"""Claiming due runs in batches, each under a lease (law 4)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from jobs.models import Reason
from jobs.platform.postgres import statements
from jobs.platform.postgres.query import Query
from jobs.registry import catalog
from jobs.runs import free_lines, shares
from jobs.runs.claim_row import ClaimRow, claims_of, run_facts
from jobs.runs.claimed_run import Claim, lease_for
from jobs.runs.lease import leasing
from jobs.runs.turns import take_turns
from jobs.runs.unclaimable import claim_or_aside, set_aside

logger = logging.getLogger("jobs.engine")

NOTE_WAITING = free_lines.note_waiting(
    "due WHERE is_known AND NOT stands_still AND turns_held = 0 AND cardinality(turn_keys) = 1"
)
# Due runs of every class (see shares) that no other cluster looks at; leases those in no line, or
# past all. One row, with the look's state, is always there.
CLAIM_DUE = f"""
WITH RECURSIVE {shares.CLASSES}, due AS MATERIALIZED (
  SELECT ready.number, picked.*,
         row_number() OVER (PARTITION BY ready.number ORDER BY picked.due_at, picked.id) AS place
    FROM ready CROSS JOIN LATERAL (
         SELECT r.due_at, r.fn_id = ANY(%(known)s) AS is_known,
                r.turns_held < cardinality(r.turn_keys) AS stands_in_line, {run_facts()}
           FROM jobs_run r
          WHERE {shares.OF_CLASS} LIMIT {shares.SHARE}
            FOR UPDATE SKIP LOCKED) picked),
leased AS (
  UPDATE jobs_run r SET {leasing()}
   WHERE r.id = ANY(ARRAY(SELECT id FROM due
                           WHERE is_known AND NOT stands_still AND NOT stands_in_line)))
SELECT {shares.SHARE} AS share, {shares.NEXT} AS next_after, taken.*
  FROM (SELECT {NOTE_WAITING}) look LEFT JOIN LATERAL ({
    claims_of("due", "number", "place", "is_known", "stands_still", "stands_in_line")
}) taken ON true
 ORDER BY place, number
"""  # noqa: S608


class DueRow(NamedTuple):
    share: int  # runs per class that it takes
    next_after: str | None  # the class after which the next look goes on; None after all
    number: int  # of its class
    place: int  # in its class
    is_known: bool  # to this process
    stands_still: bool
    stands_in_line: bool
    run: ClaimRow

    @property
    def is_held_back(self) -> bool:
        return not self.is_known or self.stands_still


DUE = Query(CLAIM_DUE, DueRow)


NEXT_DUE = """
SELECT extract(epoch FROM due_at - clock_timestamp()) FROM jobs_run
 WHERE due_at IS NOT NULL AND lease_token IS NULL ORDER BY due_at LIMIT 1
"""


def claim_due(limit: int, worker: str = "") -> list[Claim]:
    return claim_batch(limit, worker)[0]


def claim_batch(limit: int, worker: str) -> tuple[list[Claim], bool]:
    """Claim due runs whose turn it is, of `limit` due ones (see shares); returns them, and whether
    more may be due.

    Each is a transaction:
    1. lease runs in no line, or past all of theirs; take turns in free lines (free_lines);
    2. take the others' turns: lease those that pass, park the rest;
    3. set aside runs whose function is unknown here or stands still.

    A crash in between loses nothing: unleased runs are still due.
    """
    lease = lease_for(worker)
    rows, turns_taken = _look(lease, limit)
    found = [row for row in rows if row.run.id is not None]
    classes = [row.number for row in found]
    may_be_more = shares.cursor.advance(rows[0].share, rows[0].next_after, classes)
    read = [(row, claim_or_aside(row.run, lease)) for row in found]
    claims = [(row, claim) for row, claim in read if claim is not None]
    leased = _leased(claims, turns_taken, lease)
    for row, claim in claims:
        if row.is_held_back:
            set_aside(claim, Reason.PAUSED if row.stands_still else Reason.FUNCTION)
    return [claim for _, claim in claims if claim.run_id in leased], may_be_more


def _look(lease: dict[str, Any], limit: int) -> tuple[list[DueRow], dict[uuid.UUID, bool]]:
    """Returns the due runs, and whether each in a free line passes it."""
    asked = {**lease, "known": catalog.ids(), **shares.parameters(limit)}
    rows, _, taken = statements.execute_many(
        DUE.asked(asked),
        (free_lines.LOCK_FREE_LINES, {}),
        free_lines.TAKE_FREE_TURNS.asked({**lease, "line": 0}),
    )
    return DUE.rows(rows), {turn.id: turn.passes for turn in free_lines.TAKE_FREE_TURNS.rows(taken)}


def _leased(
    claims: Sequence[tuple[DueRow, Claim]],
    turns_taken: dict[uuid.UUID, bool],
    lease: dict[str, Any],
) -> set[uuid.UUID]:
    """The look has leased some (claim_batch, 1); the others take their turns now (2)."""
    leased: set[uuid.UUID] = set()
    in_line: list[Claim] = []
    for row, claim in claims:
        if row.is_held_back:
            continue
        if turns_taken.get(claim.run_id, not row.stands_in_line):
            leased.add(claim.run_id)
        elif claim.run_id not in turns_taken:
            in_line.append(claim)
    try:
        return leased | _take_turns(in_line, lease)
    except Exception:
        if not leased:
            raise
        # Leased runs must reach their workers. The others are still due: the next look meets the
        # error alone.
        logger.exception("%d runs in lines cannot take their turns", len(in_line))
        return leased


def _take_turns(claims: Sequence[Claim], lease: dict[str, Any]) -> set[uuid.UUID]:
    if not claims:
        return set()
    waiting = [(claim.run_id, claim.turn_keys, claim.turns_held) for claim in claims]
    return take_turns(waiting, claims[0].clock.at, lease)


def next_due(at_most: float) -> float:
    rows = statements.execute(NEXT_DUE, {})
    return min(max(float(rows[0][0]), 0.0), at_most) if rows else at_most
