"""The outcomes of runs that a bulk act retried or reran."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from jobs.models import UNFINISHED, RunStatus

MAX_READ = 5_000
STATUSES = """
SELECT coalesce(again.status, r.status), count(*)
  FROM jobs_run r
  LEFT JOIN LATERAL (SELECT status FROM jobs_run a WHERE a.rerun_of_id = r.id
                      ORDER BY a.id DESC LIMIT 1) again ON true
 WHERE r.id = ANY(%s) GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Numbers of runs; a rerun run counts by its newest rerun."""

    completed: int = 0
    under_way: int = 0
    failed: int = 0
    others: int = 0  # cancelled or skipped

    @property
    def is_over(self) -> bool:
        return not self.under_way


def outcomes(run_ids: Iterable[uuid.UUID | str]) -> Outcomes:
    """Of the first MAX_READ of these runs, now. One query."""
    with connection.cursor() as cursor:
        cursor.execute(STATUSES, [[str(run_id) for run_id in run_ids][:MAX_READ]])
        found: dict[str, int] = dict(cursor.fetchall())
    under_way = sum(found.pop(status, 0) for status in UNFINISHED)
    completed, failed = found.pop(RunStatus.COMPLETED, 0), found.pop(RunStatus.FAILED, 0)
    return Outcomes(completed, under_way, failed, sum(found.values()))
