"""Which due runs a look takes: each function has its share (README, “In which order runs are
taken”).

A due run's class is its function, and whether it is due for the first time or again.
1. A look takes equally many runs of each class, oldest first.
2. It leaps through the index past a bounded number of classes: more due runs cost no more.
3. With more classes than runs to take, the next look goes on (`ClassCursor`).
4. By its expressions, jobs_run_shares is the only index for these statements, whatever the
   statistics, and serves no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_CLASSES = 64  # per look

# Null without due_at. '0…' sorts before '1…'.
CLASS = (
    "(CASE WHEN due_at > created_at THEN '1' WHEN due_at <= created_at THEN '0' END || fn_id::text)"
)
DUE_AT = "coalesce(due_at, 'infinity'::timestamptz)"
IS_DUE_BY_CLASS = f"{DUE_AT} <= statement_timestamp() AND lease_token IS NULL"

FIRST_CLASS = f"""
(SELECT {CLASS} FROM jobs_run WHERE {CLASS} IS NOT NULL ORDER BY 1 LIMIT 1)"""  # noqa: S608
NEXT_CLASS = f"""
(SELECT {CLASS} FROM jobs_run WHERE {CLASS} > {{after}} ORDER BY 1 LIMIT 1)"""  # noqa: S608
LEAP = f"""
  SELECT {{start}} AS class, 1 AS number
  UNION ALL
  SELECT {NEXT_CLASS.format(after="class")}, number + 1
    FROM {{name}} WHERE class IS NOT NULL {{within}} AND number < {MAX_CLASSES}
"""  # noqa: S608

CLASSES = f"""
later AS ({LEAP.format(start=NEXT_CLASS.format(after="%(after)s"), name="later", within="")}
), earlier AS (
  {LEAP.format(start=FIRST_CLASS, name="earlier", within="AND class <= %(after)s")}
), ready AS MATERIALIZED (
  SELECT class, number
    FROM (SELECT class, number FROM later UNION ALL
          SELECT class, number + {MAX_CLASSES} FROM earlier WHERE class <= %(after)s) classes
   CROSS JOIN LATERAL (
         SELECT 1 FROM jobs_run WHERE {CLASS} = classes.class AND {IS_DUE_BY_CLASS}
          ORDER BY {DUE_AT}, id LIMIT 1) one
   ORDER BY number LIMIT %(limit)s
)"""  # noqa: S608

# Runs of each class.
SHARE = "(SELECT %(limit)s::int / greatest(count(*), 1) FROM ready)"

OF_CLASS = f"{CLASS} = ready.class AND {IS_DUE_BY_CLASS} ORDER BY {DUE_AT}, id"

# The next look's start; null after all classes.
NEXT = f"""
CASE WHEN (SELECT count(*) FROM ready) = %(limit)s::int
     THEN (SELECT class FROM ready ORDER BY number DESC LIMIT 1)
     ELSE (SELECT class FROM later WHERE number = {MAX_CLASSES})
END"""  # noqa: S608

FIRST_DUE = f"""
WITH RECURSIVE {CLASSES}
SELECT first.id FROM ready CROSS JOIN LATERAL (
  SELECT id FROM jobs_run WHERE {OF_CLASS} LIMIT 1 FOR UPDATE SKIP LOCKED) first
"""  # noqa: S608


@dataclass
class ClassCursor:
    after: str = ""

    def advance(self, share: int, next_after: str | None, taken: Sequence[int]) -> bool:
        """`taken` has each run's class number. True if more may be due."""
        self.after = next_after or ""
        return next_after is not None or any(count == share for count in Counter(taken).values())


cursor = ClassCursor()


def parameters(limit: int) -> dict[str, Any]:
    return {"limit": limit, "after": cursor.after}
