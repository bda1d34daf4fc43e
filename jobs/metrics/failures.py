"""Open failures by kind: what fails, since when, for how many keys, and what helps.

An open failure is a failed run that no rerun mended and no operator dealt with. Its kind is written
when it fails (failure_kinds.py). Groups are of the newest MAX_READ.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import QuerySet

from jobs.lib.failure_kinds import UNTOLD, ShortReason, general, reason_of
from jobs.metrics.clusters import worker_names
from jobs.metrics.remedies import Advice, advice_for
from jobs.models import OPEN_FAILURE, Run
from jobs.platform.postgres.named_rows import named_rows

MAX_READ = 5_000
MAX_OF_KIND = 200
MAX_KINDS = 30  # with mended runs counted and advice
BARS = 12

# Counted in the database: a site takes longer to read thousands of rows than to group them.
OPEN = """
WITH open AS MATERIALIZED (
  SELECT id, failure_kind AS kind, fn_id, turn_keys[1] AS key, worker, ended_at FROM jobs_run
   WHERE status = 'failed' AND mended_at IS NULL {since} {fn_id}
   ORDER BY ended_at DESC LIMIT %(most)s),
edge AS (
  SELECT min(ended_at) AS first, count(*) AS runs,
         greatest(extract(epoch FROM statement_timestamp() - min(ended_at)) / %(bars)s,
                  1e-6)::float8 AS bar
    FROM open),
parts AS (
  SELECT kind, 'worker' AS part, worker AS value, count(*) AS runs FROM open
   WHERE worker <> '' GROUP BY kind, worker
   UNION ALL
  SELECT kind, 'function', fn_id, count(*) FROM open GROUP BY kind, fn_id
   UNION ALL
  SELECT kind, 'bar', least(floor(extract(epoch FROM ended_at - first)::float8 / bar)::int,
                            %(bars)s - 1)::text, count(*)
    FROM open, edge GROUP BY 1, 3),
counted AS (
  SELECT kind, jsonb_object_agg(value, runs) FILTER (WHERE part = 'worker') AS workers,
         jsonb_object_agg(value, runs) FILTER (WHERE part = 'function') AS functions,
         jsonb_object_agg(value, runs) FILTER (WHERE part = 'bar') AS bars
    FROM parts GROUP BY kind)
SELECT kind, runs, keys, first, last, sample, (SELECT runs FROM edge) AS of_all,
       workers, functions, bars
  FROM (SELECT kind, count(*) AS runs,
               count(DISTINCT hashtextextended(fn_id || ' ' || key, 0))
                 FILTER (WHERE key <> '') AS keys,
               min(ended_at) AS first, max(ended_at) AS last,
               (array_agg(id ORDER BY ended_at DESC))[1] AS sample
          FROM open GROUP BY kind) AS groups
  JOIN counted USING (kind) ORDER BY groups.runs DESC, kind
"""
# Each kind's latest failures that are no longer open, and their outcomes.
OVER = """
SELECT k.kind,
       count(*) FILTER (WHERE r.status = 'completed' OR r.mended_by IS NOT NULL) AS mended,
       count(*) FILTER (WHERE r.dealt_with <> '') AS dealt_with,
       count(*) FILTER (WHERE r.ended_at IS NULL) AS under_way
  FROM unnest(%(kinds)s::text[]) AS k(kind)
 CROSS JOIN LATERAL (SELECT status, mended_by, dealt_with, ended_at FROM jobs_run
                      WHERE failure_kind = k.kind AND failure_kind <> ''
                      ORDER BY id DESC LIMIT %(most)s) AS r
 GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Open failures of one kind; `keys` counts concurrency keys (listeners). The other numbers are
    of runs no longer open, up to MAX_OF_KIND."""

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
    # The kind's parts, for the MAX_KINDS largest groups; see label for the others.
    step: str = ""
    what: str = ""  # a status, or a class
    words: str = ""
    mended: int = 0
    dealt_with: int = 0
    under_way: int = 0  # retried, and not over yet
    advice: Advice | None = None

    @property
    def label(self) -> str:
        return self.kind or UNTOLD


@dataclass(frozen=True, slots=True)
class Failures:
    """The largest group first."""

    groups: list[Group]
    runs: int  # all open failures, up to MAX_READ
    is_capped: bool


@dataclass(slots=True)
class _Kind:
    """A kind as the database counts it; the objects are JSON."""

    kind: str
    runs: int
    keys: int
    first: datetime
    last: datetime
    sample: uuid.UUID
    of_all: int
    workers: str | None
    functions: str
    bars: str


@dataclass(frozen=True, slots=True)
class _Over:
    """A kind's latest failures that are no longer open."""

    kind: str
    mended: int = 0
    dealt_with: int = 0
    under_way: int = 0


def failures(
    since: datetime | None = None, fn_id: str = "", names: dict[str, str] | None = None
) -> Failures:
    """Open failures since a moment (or ever), of one function or all. Three queries, and one more
    without the clusters' `names` by worker."""
    kinds = _open(since, fn_id)
    if not kinds:
        return Failures([], 0, False)
    names = worker_names() if names is None else names
    over = _over([one.kind for one in kinds[:MAX_KINDS]])
    groups = [_group(one, names, over.get(one.kind)) for one in kinds]
    of_all = kinds[0].of_all
    return Failures(_advised(groups), of_all, of_all >= MAX_READ)


def _advised(groups: list[Group]) -> list[Group]:
    advice = advice_for([group.sample for group in groups[:MAX_KINDS]])
    return [_with(group, advice.get(group.sample)) for group in groups]


def _with(group: Group, advice: Advice | None) -> Group:
    if advice is None:
        return group
    reason = advice.reason
    words = general(reason.words)
    return replace(group, step=reason.step, what=reason.what, words=words, advice=advice)


def runs_of(kind: str) -> QuerySet[Run]:
    """Runs whose last failure was of this kind, newest first."""
    return Run.objects.filter(failure_kind=kind).exclude(failure_kind="").order_by("-id")


def open_runs_of(kind: str) -> QuerySet[Run]:
    return runs_of(kind).filter(OPEN_FAILURE)


def short_reason(run: Run) -> ShortReason:
    """By str() “call-modal-api · 401 missing or invalid credentials”. Reads the run's `error`."""
    return reason_of(run.error)


def _open(since: datetime | None, fn_id: str) -> list[_Kind]:
    sql = OPEN.format(
        since="AND ended_at >= %(since)s" if since else "",
        fn_id="AND fn_id = %(fn_id)s" if fn_id else "",
    )
    asked = {"since": since, "fn_id": fn_id, "most": MAX_READ, "bars": BARS}
    return named_rows(_Kind, sql, asked)


def _over(kinds: list[str]) -> dict[str, _Over]:
    found = named_rows(_Over, OVER, {"kinds": kinds, "most": MAX_OF_KIND})
    return {one.kind: one for one in found}


def _group(one: _Kind, names: dict[str, str], over: _Over | None) -> Group:
    over = over or _Over(one.kind)
    clusters: Counter[str] = Counter()
    for worker, runs in json.loads(one.workers or "{}").items():
        clusters[names.get(worker, worker)] += runs
    bars = json.loads(one.bars)
    return Group(
        kind=one.kind,
        runs=one.runs,
        keys=one.keys,
        first=one.first,
        last=one.last,
        clusters=_by_number(clusters),
        functions=_by_number(Counter(json.loads(one.functions))),
        sparkline=[bars.get(str(number), 0) for number in range(BARS)],
        share=one.runs / one.of_all,
        sample=one.sample,
        mended=over.mended,
        dealt_with=over.dealt_with,
        under_way=over.under_way,
    )


def _by_number(counted: Counter[str]) -> list[str]:
    return [value for value, _ in counted.most_common()]
