"""Open failures by kind: what fails, since when, for whom, and which act helps.

An open failure is a failed run that no rerun has mended and no operator has dealt with. Its kind is
written when it fails (failure_kinds.py). Groups are of the newest MOST; mended runs of a kind are
counted up to MOST_OF_KIND.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from jobs.lib.failure_kinds import UNTOLD, ShortReason, general, reason_of
from jobs.metrics.acts import Advice, advice_for
from jobs.metrics.clusters import worker_names
from jobs.models import Run

MOST = 5_000
MOST_OF_KIND = 200
MOST_KINDS = 30  # that get mended runs counted and an act
BARS = 12

OPEN = """
SELECT id, failure_kind, fn_id, turn_keys[1], worker, ended_at, statement_timestamp() FROM jobs_run
 WHERE status = 'failed' AND mended_at IS NULL {since} {fn_id}
 ORDER BY ended_at DESC LIMIT %(most)s
"""
# The latest failures of each kind that are no longer open, and what became of them.
OVER = """
SELECT k.kind, count(*) FILTER (WHERE r.status = 'completed' OR r.mended_by IS NOT NULL),
       count(*) FILTER (WHERE r.dealt_with <> ''), count(*) FILTER (WHERE r.ended_at IS NULL)
  FROM unnest(%(kinds)s::text[]) AS k(kind)
 CROSS JOIN LATERAL (SELECT status, mended_by, dealt_with, ended_at FROM jobs_run
                      WHERE failure_kind = k.kind AND failure_kind <> ''
                      ORDER BY id DESC LIMIT %(most)s) AS r
 GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Open failures of one kind: `runs`, and `keys`, the concurrency keys (listeners) among them.
    The other numbers are of runs no longer open, up to MOST_OF_KIND.
    """

    kind: str
    runs: int
    keys: int
    first: datetime
    last: datetime
    clusters: list[str]  # names, most failures first
    functions: list[str]
    sparkline: list[int]  # BARS numbers, from all groups' first failure to now
    share: float  # of all open failures, 0 to 1
    sample: uuid.UUID
    # The kind's parts, for the MOST_KINDS largest groups; see label for the others.
    step: str = ""
    what: str = ""  # a status, or a class
    words: str = ""
    mended: int = 0
    dealt_with: int = 0
    under_way: int = 0  # retried, and not over yet
    advice: Advice | None = None  # for the MOST_KINDS largest groups

    @property
    def label(self) -> str:
        return self.kind or UNTOLD


@dataclass(frozen=True, slots=True)
class Failures:
    """The largest group first."""

    groups: list[Group]
    runs: int  # all open failures, up to MOST
    is_capped: bool


@dataclass(slots=True)
class _Open:
    id: uuid.UUID
    kind: str
    fn_id: str
    key: str | None
    worker: str
    ended_at: datetime
    now: datetime


def failures(
    since: datetime | None = None, fn_id: str = "", names: dict[str, str] | None = None
) -> Failures:
    """The open failures since a moment (or ever), of one function or all. Three queries, and one
    more if the clusters' `names` by worker are not given.
    """
    rows = _open(since, fn_id)
    if not rows:
        return Failures([], 0, False)
    begin, now = min(row.ended_at for row in rows), rows[0].now
    names = worker_names() if names is None else names
    by_kind: dict[str, list[_Open]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    ordered = sorted(by_kind, key=lambda kind: (-len(by_kind[kind]), kind))
    over = _over(ordered[:MOST_KINDS])
    groups = [_group(kind, by_kind[kind], len(rows), (begin, now), names, over) for kind in ordered]
    return Failures(_advised(groups), len(rows), len(rows) >= MOST)


def _advised(groups: list[Group]) -> list[Group]:
    advice = advice_for([group.sample for group in groups[:MOST_KINDS]])
    return [_with(group, advice.get(group.sample)) for group in groups]


def _with(group: Group, advice: Advice | None) -> Group:
    if advice is None:
        return group
    reason = advice.reason
    words = general(reason.words)
    return replace(group, step=reason.step, what=reason.what, words=words, advice=advice)


def failures_of(kind: str) -> Group | None:
    """The group of one kind; None without an open failure."""
    return next((group for group in failures().groups if group.kind == kind), None)


def runs_of(kind: str) -> QuerySet[Run]:
    """All runs whose last failure was of this kind, newest first."""
    return Run.objects.filter(failure_kind=kind).exclude(failure_kind="").order_by("-id")


def open_runs_of(kind: str) -> QuerySet[Run]:
    """Its open failures, the latest first."""
    return runs_of(kind).filter(status="failed", mended_at__isnull=True)


def short_reason(run: Run) -> ShortReason:
    """“call-modal-api · 401 missing or invalid credentials” by str(), for lists; or in parts. Reads
    the run's `error`.
    """
    return reason_of(run.error)


def _open(since: datetime | None, fn_id: str) -> list[_Open]:
    sql = OPEN.format(
        since="AND ended_at >= %(since)s" if since else "",
        fn_id="AND fn_id = %(fn_id)s" if fn_id else "",
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, {"since": since, "fn_id": fn_id, "most": MOST})
        return [_Open(*row) for row in cursor.fetchall()]


def _over(kinds: list[str]) -> dict[str, tuple[int, int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(OVER, {"kinds": kinds, "most": MOST_OF_KIND})
        return {kind: (mended, dealt, way) for kind, mended, dealt, way in cursor.fetchall()}


def _group(
    kind: str,
    rows: list[_Open],
    of_all: int,
    whole: tuple[datetime, datetime],
    names: dict[str, str],
    over: dict[str, tuple[int, int, int]],
) -> Group:
    mended, dealt_with, under_way = over.get(kind, (0, 0, 0))
    return Group(
        kind=kind,
        runs=len(rows),
        keys=len({(row.fn_id, row.key) for row in rows if row.key}),
        first=min(row.ended_at for row in rows),
        last=max(row.ended_at for row in rows),
        clusters=_by_number(names.get(row.worker, row.worker) for row in rows if row.worker),
        functions=_by_number(row.fn_id for row in rows),
        sparkline=_sparkline([row.ended_at for row in rows], *whole),
        share=len(rows) / of_all,
        sample=rows[0].id,
        mended=mended,
        dealt_with=dealt_with,
        under_way=under_way,
    )


def _by_number(values: Any) -> list[str]:
    return [value for value, _ in Counter(values).most_common()]


def _sparkline(moments: list[datetime], begin: datetime, end: datetime) -> list[int]:
    bars, width = [0] * BARS, max((end - begin) / BARS, timedelta(microseconds=1))
    for moment in moments:
        bars[min(max((moment - begin) // width, 0), BARS - 1)] += 1
    return bars
