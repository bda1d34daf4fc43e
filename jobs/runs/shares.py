"""Which due runs a look takes: each function has its share.

The class of a due run is its function, and whether it has been due since it was made, or is due
again: its turn has come, its sleep is over, its answer is there, it is retried.
1. A look takes as many runs of one class as of another, oldest first. So a function with 100,000
   due runs takes no more of a look than a function with one, and runs that have begun take turns
   with new ones.
2. A look leaps through the index from class to class. It reads a bounded number of classes, and of
   each no more than it takes, so its cost does not depend on how many runs are due.
3. If there are more classes than a look takes runs, the next look goes on after the last (`Round`).
4. By its expressions, jobs_run_shares is the only index that can answer these statements, whatever
   the statistics say; and no other statement can use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_CLASSES = 64  # that one look passes, due or not

# Null for a run without due_at. '0…' sorts before '1…'.
CLASS = (
    "(CASE WHEN due_at > created_at THEN '1' WHEN due_at <= created_at THEN '0' END || fn_id::text)"
)
DUE_AT = "coalesce(due_at, 'infinity'::timestamptz)"
IS_DUE = f"{DUE_AT} <= statement_timestamp() AND lease_token IS NULL"

FIRST_CLASS = f"""
(SELECT {CLASS} FROM jobs_run WHERE {CLASS} IS NOT NULL ORDER BY 1 LIMIT 1)"""  # noqa: S608
NEXT_CLASS = f"""
(SELECT {CLASS} FROM jobs_run WHERE {CLASS} > {{after}} ORDER BY 1 LIMIT 1)"""  # noqa: S608
LEAP = f"""
  SELECT {{start}} AS class, 1 AS number
  UNION ALL
  SELECT {NEXT_CLASS.format(after="class")}, number + 1
    FROM {{name}} WHERE class IS NOT NULL {{within}} AND number < {MOST_CLASSES}
"""  # noqa: S608

# At most `limit` classes that have due runs, in order.
CLASSES = f"""
later AS ({LEAP.format(start=NEXT_CLASS.format(after="%(after)s"), name="later", within="")}
), earlier AS (
  {LEAP.format(start=FIRST_CLASS, name="earlier", within="AND class <= %(after)s")}
), ready AS MATERIALIZED (
  SELECT class, number
    FROM (SELECT class, number FROM later UNION ALL
          SELECT class, number + {MOST_CLASSES} FROM earlier WHERE class <= %(after)s) classes
   CROSS JOIN LATERAL (
         SELECT 1 FROM jobs_run WHERE {CLASS} = classes.class AND {IS_DUE}
          ORDER BY {DUE_AT}, id LIMIT 1) one
   ORDER BY number LIMIT %(limit)s
)"""  # noqa: S608

# How many runs of each class a look takes.
SHARE = "(SELECT %(limit)s::int / greatest(count(*), 1) FROM ready)"

OF_CLASS = f"{CLASS} = ready.class AND {IS_DUE} ORDER BY {DUE_AT}, id"

# Where the next look starts; null if this one has passed all classes.
NEXT = f"""
CASE WHEN (SELECT count(*) FROM ready) = %(limit)s::int
     THEN (SELECT class FROM ready ORDER BY number DESC LIMIT 1)
     ELSE (SELECT class FROM later WHERE number = {MOST_CLASSES})
END"""  # noqa: S608

FIRST = f"""
WITH RECURSIVE {CLASSES}
SELECT first.id FROM ready CROSS JOIN LATERAL (
  SELECT id FROM jobs_run WHERE {OF_CLASS} LIMIT 1 FOR UPDATE SKIP LOCKED) first
"""  # noqa: S608


@dataclass
class Round:
    """The class after which this process's next look starts."""

    after: str = ""

    def goes_on(self, share: int, next_after: str | None, taken: Sequence[int]) -> bool:
        """Note a look's end; `taken` has the class number of each run taken. Returns whether more
        runs may be due.
        """
        self.after = next_after or ""
        return next_after is not None or any(count == share for count in Counter(taken).values())


here = Round()


def asked(limit: int) -> dict[str, Any]:
    return {"limit": limit, "after": here.after}
