"""Paused functions, with what was skipped, and functions that no cluster knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from jobs.metrics.present import Present
from jobs.models import RegisteredFunction

MOST_SKIPPED = 1_000
MOST_READ = 3_000
SKIPPED = """
SELECT paused.fn_id, skipped.runs
  FROM unnest(%(fn_ids)s::text[]) AS paused(fn_id)
 CROSS JOIN LATERAL (
   SELECT count(*) AS runs FROM (
     SELECT 1 FROM (SELECT id, status FROM jobs_run WHERE fn_id = paused.fn_id
                     ORDER BY id DESC LIMIT %(read)s) AS newest
      WHERE status = 'skipped' AND (SELECT 1 FROM jobs_run again
                                     WHERE again.rerun_of_id = newest.id LIMIT 1) IS NULL
      LIMIT %(most)s) AS unplayed) AS skipped
"""


@dataclass(frozen=True, slots=True)
class Paused:
    fn_id: str
    since: datetime
    reason: str  # the operator's words; may be empty
    by: str  # the account's id; empty: code's
    stands_still: bool
    skipped: int  # not replayed, up to MOST_SKIPPED
    hook_of: str  # whose hook it is; empty: none
    hook_moment: str  # "failure", "cancel", "retry" or empty

    @property
    def effect(self) -> str:
        """What the pause keeps from happening; empty for an ordinary function."""
        if not self.hook_of:
            return ""
        deed = {"failure": "fails", "cancel": "is cancelled", "retry": "is retried"}
        return f"Nothing is told when a run of {self.hook_of} {deed[self.hook_moment]}."


@dataclass(frozen=True, slots=True)
class Unknown:
    fn_id: str
    runs: int


def paused(rows: Iterable[RegisteredFunction] | None = None) -> list[Paused]:
    """Those paused for longest first. Two queries, or one if `rows` are all functions."""
    known = RegisteredFunction.objects.all() if rows is None else rows
    functions = {row.fn_id: row for row in known}
    found = [row for row in functions.values() if row.paused_at is not None]
    found.sort(key=lambda row: (row.paused_at, row.fn_id))
    numbers = skipped([row.fn_id for row in found])
    return [_paused(row, functions, numbers[row.fn_id]) for row in found]


def unknown(now: Present) -> list[Unknown]:
    return [Unknown(fn_id, runs) for fn_id, runs in now.of_unknown_functions.items()]


def hook_of(fn_id: str, functions: dict[str, RegisteredFunction]) -> tuple[str, str]:
    """The function whose hook this is, and its moment; else empty texts."""
    for row in functions.values():
        config = row.config if isinstance(row.config, dict) else {}
        for moment in ("failure", "cancel", "retry"):
            if config.get(f"on_{moment}") == fn_id:
                return row.fn_id, moment
    return "", ""


def skipped(fn_ids: Sequence[str]) -> dict[str, int]:
    """Of each function the skipped runs that were not replayed, up to MOST_SKIPPED, of its newest
    MOST_READ runs."""
    if not fn_ids:
        return {}
    asked: dict[str, Any] = {"fn_ids": list(fn_ids), "read": MOST_READ, "most": MOST_SKIPPED}
    with connection.cursor() as cursor:
        cursor.execute(SKIPPED, asked)
        return dict(cursor.fetchall())


def _paused(
    row: RegisteredFunction, functions: dict[str, RegisteredFunction], skipped: int
) -> Paused:
    assert row.paused_at is not None  # noqa: S101
    parent, moment = hook_of(row.fn_id, functions)
    return Paused(
        fn_id=row.fn_id,
        since=row.paused_at,
        reason=row.pause_reason,
        by=row.paused_by,
        stands_still=row.stands_still,
        skipped=skipped,
        hook_of=parent,
        hook_moment=moment,
    )
