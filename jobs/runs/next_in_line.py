"""A completed run passes its turn to the next run of its line, on the same worker. Where the lines
of its function are short, it would only wake one: with none there, a fifth of the database's work.
"""

from __future__ import annotations

from typing import NamedTuple

from jobs.events.wake import WORD, waking_parked
from jobs.platform.postgres.query import Query
from jobs.platform.postgres.statements import Rows, Statement
from jobs.runs import turns
from jobs.runs.claim_row import ClaimRow, claims_of, run_facts
from jobs.runs.claimed_run import Claim, claim_of, lease_for
from jobs.runs.lease import leasing
from jobs.runs.line_locks import for_line

LONELY_ENDS = 8  # in a row: the next one probably leaves none behind either

# Leases the line's next run if it then holds all its turns; else wakes it.
LEASE_NEXT = f"""
WITH first AS MATERIALIZED ({turns.FIRST_PARKED}),
next AS MATERIALIZED (
  SELECT r.lease_token IS NULL AND r.turns_held + 1 = cardinality(r.turn_keys)
         AND {turns.PASSES} AS passes, {run_facts()}
    FROM jobs_run r WHERE r.id = (SELECT id FROM first)),
leased AS (
  UPDATE jobs_run r SET {leasing(turns_held="r.turns_held + 1")}
   WHERE r.id = (SELECT id FROM next WHERE passes AND NOT stands_still)),
woken AS ({waking_parked("r.id = (SELECT id FROM next WHERE stands_still OR NOT passes)")})
{claims_of("next", "passes AND NOT stands_still AS is_leased", f"({WORD}) AS word")}
"""  # noqa: S608


class NextRow(NamedTuple):
    """`word` tells the clusters of a woken run (notifier.tell_if_due)."""

    is_leased: bool
    word: str | None
    claim: ClaimRow


NEXT_IN_LINE = Query(for_line(LEASE_NEXT, 0), NextRow)


class ShortLines:
    """Functions whose last runs left none behind in their lines when they ended."""

    def __init__(self) -> None:
        self._lonely_ends: dict[str, int] = {}

    def has(self, fn_id: str) -> bool:
        return self._lonely_ends.get(fn_id, 0) >= LONELY_ENDS

    def note_end(self, fn_id: str, *, leaves_one: bool) -> None:
        self._lonely_ends[fn_id] = 0 if leaves_one else self._lonely_ends.get(fn_id, 0) + 1


def next_in_line_statement(claim: Claim) -> Statement:
    key = {"key": claim.turn_keys[0], "line": 0}
    return NEXT_IN_LINE.asked(lease_for(claim.worker) | key)


def parse_next_in_line(statement: Statement, rows: Rows) -> Claim | None:
    leased = (row.claim for row in NEXT_IN_LINE.rows(rows) if row.is_leased)
    return next((claim_of(claim, dict(statement[1])) for claim in leased), None)
