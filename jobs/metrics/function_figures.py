"""One function's open failures by kind, for its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobs.lib.failure_kinds import UNTOLD
from jobs.platform.postgres.named_rows import named_rows

MAX_FAILURES = 3_000  # open failures, of all functions

KINDS = """
SELECT failure_kind AS kind, count(*) AS runs, count(DISTINCT turn_keys[1]) AS keys,
       min(ended_at) AS first, max(ended_at) AS last
  FROM (SELECT fn_id, failure_kind, turn_keys, ended_at FROM jobs_run
         WHERE status = 'failed' AND mended_at IS NULL
         ORDER BY ended_at DESC LIMIT %(most)s) AS newest
 WHERE fn_id = %(fn_id)s
 GROUP BY failure_kind ORDER BY runs DESC, kind
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A function's failures of one kind, among the newest MAX_FAILURES of all functions."""

    kind: str
    runs: int
    keys: int
    first: datetime
    last: datetime

    @property
    def label(self) -> str:
        return self.kind or UNTOLD


def kinds(fn_id: str) -> list[Kind]:
    return named_rows(Kind, KINDS, {"fn_id": fn_id, "most": MAX_FAILURES})
