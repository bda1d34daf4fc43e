"""What the page of one function shows besides its series and steps: its open failures by kind, and
what was skipped while functions were paused. A query each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from jobs.lib.failure_kinds import UNTOLD
from jobs.metrics.paused import MOST_READ, MOST_SKIPPED

MOST = 3_000  # open failures, of all functions

KINDS = """
SELECT failure_kind, count(*), count(DISTINCT turn_keys[1]), min(ended_at), max(ended_at)
  FROM (SELECT fn_id, failure_kind, turn_keys, ended_at FROM jobs_run
         WHERE status = 'failed' AND mended_at IS NULL
         ORDER BY ended_at DESC LIMIT %(most)s) AS newest
 WHERE fn_id = %(fn_id)s
 GROUP BY 1 ORDER BY 2 DESC, 1
"""
SKIPPED = """
SELECT f.fn_id,
       (SELECT count(*)
          FROM (SELECT 1 FROM (SELECT id, status FROM jobs_run r WHERE r.fn_id = f.fn_id
                                ORDER BY id DESC LIMIT %(read)s) AS newest
                 WHERE status = 'skipped' AND (SELECT 1 FROM jobs_run again
                                                WHERE again.rerun_of_id = newest.id LIMIT 1) IS NULL
                 LIMIT %(most)s) AS skipped)
  FROM unnest(%(fn_ids)s::text[]) AS f(fn_id)
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A function's open failures of one kind, among the newest MOST of all functions. `keys` counts
    concurrency keys (listeners)."""

    kind: str
    runs: int
    keys: int
    first: datetime
    last: datetime

    @property
    def label(self) -> str:
        return self.kind or UNTOLD


def kinds(fn_id: str) -> list[Kind]:
    """The largest first."""
    with connection.cursor() as cursor:
        cursor.execute(KINDS, {"fn_id": fn_id, "most": MOST})
        return [Kind(*row) for row in cursor.fetchall()]


def skipped(fn_ids: Sequence[str]) -> dict[str, int]:
    """Skipped runs of each function that were not replayed, up to MOST_SKIPPED, of its newest
    MOST_READ runs. Functions without any are left out."""
    asked: dict[str, Any] = {"fn_ids": list(fn_ids), "read": MOST_READ, "most": MOST_SKIPPED}
    with connection.cursor() as cursor:
        cursor.execute(SKIPPED, asked)
        return {fn_id: number for fn_id, number in cursor.fetchall() if number}
