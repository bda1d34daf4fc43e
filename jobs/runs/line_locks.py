"""The locks of lines (bucket_locks), until the transaction ends.

All lock buckets of first lines, first lines, buckets of second lines, second lines. Buckets that a
transaction has of an earlier call stay its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from jobs import advisory_locks
from jobs.advisory_locks import LINE_BUCKETS
from jobs.platform.postgres import statements
from jobs.platform.postgres.bucket_locks import lock_without_waiting

MAX_OWN_LOCKS = 250  # lines with own locks
BUCKETS = 512  # a power of two

# `shared`: null in a transaction of few; its shared buckets in one of many. Ends with the
# transaction or savepoint, like locks.
SETTING = "jobs.shared_buckets_%(column)s"
SHARED = f"nullif(current_setting('{SETTING}', true), '') AS shared"
BUCKET_KEY = f"{LINE_BUCKETS} + %(column)s, bucket"
BUCKET = f"(h & {BUCKETS - 1})::int AS bucket"
LINES_OF = f"""
SELECT h, {BUCKET}, {SHARED}
  FROM (SELECT {advisory_locks.line("key")} AS h FROM unnest(%(keys)s::text[]) AS key) hashes
"""  # noqa: S608

# Few lines (bucket_locks, 1); in a transaction of many, only missing locks (2).
LOCK_LINES = f"""
WITH lines AS MATERIALIZED ({LINES_OF})
SELECT CASE WHEN h IS NULL THEN pg_advisory_xact_lock_shared({BUCKET_KEY})
            ELSE pg_advisory_xact_lock(h) END
  FROM (SELECT NULL::bigint AS h, bucket
          FROM (SELECT DISTINCT bucket FROM lines WHERE shared IS NULL) b
        UNION ALL
        SELECT h, NULL FROM lines WHERE shared IS NULL OR bucket = ANY(shared::int[])
        ORDER BY 1 NULLS FIRST, 2) in_order
"""  # noqa: S608

# One line; small: each ending run sends it.
LOCK_LINE = f"""
SELECT CASE WHEN shared IS NULL
            THEN pg_advisory_xact_lock_shared({BUCKET_KEY}) END,
       CASE WHEN shared IS NULL OR bucket = ANY(shared::int[]) THEN pg_advisory_xact_lock(h) END
  FROM (SELECT h, {BUCKET}, {SHARED}
          FROM (SELECT {advisory_locks.line("%(key)s")} AS h) hashed) line
"""  # noqa: S608

# Many lines (bucket_locks, 2).
LOCK_BUCKETS = f"""
SELECT set_config('{SETTING}',
                  coalesce(array_agg(bucket) FILTER (WHERE is_shared), '{{}}')::text, true)
  FROM (SELECT bucket,
               CASE WHEN pg_try_advisory_xact_lock({BUCKET_KEY}) THEN false
                    ELSE pg_advisory_xact_lock_shared({BUCKET_KEY}) IS NOT NULL
                    END AS is_shared
          FROM (SELECT bucket FROM generate_series(0, {BUCKETS - 1}) AS bucket ORDER BY 1) in_order
        OFFSET 0) asked
"""  # noqa: S608

# Behind LOCK_BUCKETS: returns a line that another transaction has.
TRY_LOCK_LINES = f"""
SELECT h FROM (SELECT h, pg_try_advisory_xact_lock(h) AS is_mine
                 FROM (SELECT h FROM ({LINES_OF}) lines WHERE bucket = ANY(shared::int[])
                       ORDER BY h) in_order
               OFFSET 0) asked
 WHERE NOT is_mine LIMIT 1
"""  # noqa: S608


def for_line(statement: str, line: int) -> str:
    return statement.replace("%(column)s", str(line + 1))


def lock(keys: Collection[str], line: int) -> None:
    lock_all({line: keys})


def lock_all(lines: Mapping[int, Collection[str]]) -> None:
    """Lock lines by their number, first (0) before second ones (1), in a transaction. Give all at
    once: see bucket_locks, 4."""
    has_many = any(len(keys) > MAX_OWN_LOCKS for keys in lines.values())
    if has_many and lock_without_waiting(lambda: _taken_of(lines)):
        return
    for line, keys in lines.items():
        if len(keys) > MAX_OWN_LOCKS:
            statements.execute(for_line(LOCK_BUCKETS, line), {})
        statements.execute(for_line(LOCK_LINES, line), {"keys": sorted(keys)})


def _taken_of(lines: Mapping[int, Collection[str]]) -> int | None:
    """Locks the lines until it meets one that another transaction has, and returns that."""
    for line, keys in lines.items():
        if not keys:
            continue
        statements.execute(for_line(LOCK_BUCKETS, line), {})
        found = statements.execute(for_line(TRY_LOCK_LINES, line), {"keys": sorted(keys)})
        if found:
            return int(found[0][0])
    return None
