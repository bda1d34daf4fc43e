"""Remove the counts of windows that have ended. Refusals are kept for a week, for operators."""

from __future__ import annotations

from django.db import connection

BATCH = 5_000
KEPT_FOR = "7 days"

CLEAR = """
DELETE FROM songs_limitcount WHERE id IN (
  SELECT id FROM songs_limitcount
   WHERE ends_at < clock_timestamp()
     AND (refused = 0 OR ends_at < clock_timestamp() - %(kept)s::interval)
   ORDER BY ends_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""


def clear() -> int:
    """Remove a batch; returns how many rows it had."""
    with connection.cursor() as cursor:
        cursor.execute(CLEAR, {"kept": KEPT_FOR, "batch": BATCH})
        return cursor.rowcount
