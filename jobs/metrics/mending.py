"""Marks failed runs that a rerun mended, and names failures without a kind."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Func, JSONField

from jobs.lib.failure_kinds import kind_of
from jobs.models import RollupMark, Run, RunStatus

NAMED_AT_ONCE = 200
# Without the traceback, which may be long.
TOLD = Func(
    template="""(CASE WHEN jsonb_typeof("jobs_run"."error") = 'object'
                THEN "jobs_run"."error" - 'stack' END)""",
    output_field=JSONField(),
)
FIRST_OF_ALL = uuid.UUID(int=(1 << 128) - 1)  # from here on downwards

MEND = """
WITH RECURSIVE line(id, by, at, depth) AS (
  SELECT rerun_of_id, id, ended_at, 1 FROM jobs_run
   WHERE ended_at >= %(since)s AND ended_at < %(until)s
     AND status = 'completed' AND rerun_of_id IS NOT NULL
  UNION
  SELECT r.rerun_of_id, line.by, line.at, line.depth + 1
    FROM line JOIN jobs_run r ON r.id = line.id
   WHERE r.rerun_of_id IS NOT NULL AND line.depth < 100
), mended AS MATERIALIZED (
  SELECT r.id FROM jobs_run r
   WHERE r.id = ANY(ARRAY(SELECT id FROM line)) AND r.status = 'failed' AND r.mended_at IS NULL
     FOR UPDATE SKIP LOCKED
)
UPDATE jobs_run r SET mended_at = line.at, mended_by = line.by
  FROM mended, line WHERE r.id = mended.id AND line.id = mended.id
"""


def mend(since: datetime, until: datetime) -> None:
    """Mark failed runs whose rerun (or its rerun) completed in that time. A locked one waits for
    its minute's settling."""
    with connection.cursor() as cursor:
        cursor.execute(MEND, {"since": since, "until": until})


def name_old_failures(mark: RollupMark) -> bool:
    """Name the next ones, newest first; True when all have their kinds."""
    if mark.named_to is None:
        return True
    failed = Run.objects.filter(status=RunStatus.FAILED, id__lt=mark.named_to).order_by("-id")
    rows = list(failed.values_list("id", TOLD, "failure_kind")[:NAMED_AT_ONCE])
    _name((run_id, error) for run_id, error, kind in rows if not kind)
    mark.named_to = rows[-1][0] if len(rows) == NAMED_AT_ONCE else None
    return mark.named_to is None


def name_new_failures(since: datetime, until: datetime) -> None:
    """During a deployment, older clusters write failures without a kind."""
    lately = Run.objects.all().open_failures().filter(ended_at__gte=since, ended_at__lt=until)
    _name(lately.filter(failure_kind="").values_list("id", TOLD)[:NAMED_AT_ONCE])


def _name(failures: Iterable[tuple[uuid.UUID, Any]]) -> None:
    by_kind: dict[str, list[uuid.UUID]] = defaultdict(list)
    for run_id, error in failures:
        by_kind[kind_of(error)].append(run_id)
    for kind, ids in by_kind.items():
        free = Run.objects.filter(id__in=ids, status=RunStatus.FAILED)
        there = free.select_for_update(skip_locked=True).order_by().values_list("id", flat=True)
        Run.objects.filter(id__in=list(there)).update(failure_kind=kind)
