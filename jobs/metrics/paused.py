"""Paused functions, with what was skipped, and functions that no cluster knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, IntegerField, QuerySet, When
from django.db.models.expressions import RawSQL

from jobs.metrics.unfinished import Unfinished
from jobs.models import RegisteredFunction

MAX_SKIPPED = 1_000
MAX_READ = 3_000
# A paused function's runs to replay (`RunQuerySet.replayable`), among its newest. The range is an
# equality that the planner does not recognize: for "=" it expects a function's usual share of all
# runs, and reads the whole table backwards by id for a function that has none.
SKIPPED = RawSQL(
    """(SELECT count(*) FROM (
         SELECT 1 FROM (SELECT id, status, forgotten_at FROM jobs_run
                         WHERE fn_id >= jobs_registeredfunction.fn_id
                           AND fn_id <= jobs_registeredfunction.fn_id
                         ORDER BY fn_id, id DESC LIMIT %s) AS newest
          WHERE status = 'skipped' AND forgotten_at IS NULL
            AND (SELECT 1 FROM jobs_run again WHERE again.rerun_of_id = newest.id LIMIT 1) IS NULL
          LIMIT %s) AS unplayed)""",
    [MAX_READ, MAX_SKIPPED],
    output_field=IntegerField(),
)


@dataclass(frozen=True, slots=True)
class Paused:
    fn_id: str
    since: datetime
    reason: str  # the operator's words; may be empty
    by: str  # the account's id; empty: code's
    stands_still: bool
    skipped: int  # not replayed, up to MAX_SKIPPED
    hook_of: str  # the function whose hook it is; empty: none
    hook_moment: str  # "failure", "cancel", "retry" or empty

    @property
    def effect(self) -> str:
        """What the pause prevents; empty for an ordinary function."""
        if not self.hook_of:
            return ""
        change = {"failure": "fails", "cancel": "is cancelled", "retry": "is retried"}
        return f"Nothing is told when a run of {self.hook_of} {change[self.hook_moment]}."


@dataclass(frozen=True, slots=True)
class Unknown:
    fn_id: str
    runs: int


def paused(rows: Iterable[Any] | None = None) -> list[Paused]:
    """The longest pause first. One query, or none if `rows` are all functions, from
    `with_skipped`."""
    functions = {row.fn_id: row for row in (with_skipped() if rows is None else rows)}
    found = [row for row in functions.values() if row.paused_at is not None]
    found.sort(key=lambda row: (row.paused_at, row.fn_id))
    return [_paused(row, functions) for row in found]


def with_skipped() -> QuerySet[Any]:
    """All functions, with `skipped`: up to MAX_SKIPPED of the newest MAX_READ runs if paused,
    else 0."""
    counted = Case(When(paused_at__isnull=False, then=SKIPPED), default=0)
    return RegisteredFunction.objects.annotate(skipped=counted)


def unknown(now: Unfinished) -> list[Unknown]:
    return [Unknown(fn_id, runs) for fn_id, runs in now.of_unknown_functions.items()]


def hook_of(fn_id: str, functions: dict[str, RegisteredFunction]) -> tuple[str, str]:
    """The function whose hook this is, and its moment; else empty texts."""
    for row in functions.values():
        config = row.config if isinstance(row.config, dict) else {}
        for moment in ("failure", "cancel", "retry"):
            if config.get(f"on_{moment}") == fn_id:
                return row.fn_id, moment
    return "", ""


def _paused(row: Any, functions: dict[str, Any]) -> Paused:
    assert row.paused_at is not None  # noqa: S101
    parent, moment = hook_of(row.fn_id, functions)
    return Paused(
        fn_id=row.fn_id,
        since=row.paused_at,
        reason=row.pause_reason,
        by=row.paused_by,
        stands_still=row.stands_still,
        skipped=row.skipped,
        hook_of=parent,
        hook_moment=moment,
    )
