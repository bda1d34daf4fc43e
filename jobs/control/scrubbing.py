"""Rows of runs and events lose their words, one transaction a batch.

A run's skeleton stays: functions, steps, attempts, classes and codes of errors, hosts of requests,
times, sizes and counts. Names of events, functions and steps are an author's, not payload.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction

from jobs.models import IN_FLIGHT, in_sql
from jobs.platform.postgres import statements
from jobs.runs.hook_events import NAMES_IN_SQL

FORGOTTEN = "forgotten"  # in place of a text

# A locked run is left to the next round. Each row looks for itself: figures of an emptied table
# would have another one read whole for each.
LOCK = f"""
SELECT r.id FROM jobs_run r
 WHERE r.id = ANY(%(ids)s) AND r.ended_at IS NOT NULL AND r.forgotten_at IS NULL
   AND (SELECT 1 FROM jobs_fetch f
         WHERE f.run_id = r.id AND f.status IN {in_sql(IN_FLIGHT)} LIMIT 1) IS NULL
 ORDER BY r.id FOR UPDATE OF r SKIP LOCKED
"""  # noqa: S608
# Asked under the locks: a retry of the invoker locks the runs that it waits for.
FREE = """
SELECT r.id FROM jobs_run r
 WHERE r.id = ANY(%(ids)s)
   AND (SELECT 1 FROM jobs_run above
         WHERE above.id = r.invoked_by_id AND above.ended_at IS NULL LIMIT 1) IS NULL
"""


def _error(column: str) -> str:
    """The skeleton of an error, and of its cause's: class, step and codes (SQL)."""
    kept = ", ".join(
        f"'{name}', {{of}} -> '{name}'" for name in ("name", "step", "code", "status_code", "final")
    )
    texts = f"'message', '{FORGOTTEN}', 'stack', ''"
    inner = f"jsonb_build_object({kept.format(of=f'{column}->{chr(39)}cause{chr(39)}')}, {texts})"
    cause = f"CASE WHEN {column} ? 'cause' THEN {inner} END"
    whole = f"jsonb_build_object({kept.format(of=column)}, {texts}, 'cause', {cause})"
    return f"CASE WHEN {column} IS NOT NULL THEN jsonb_strip_nulls({whole}) END"


def _of(column: str, *names: str) -> str:
    """These of a JSON object's names (SQL)."""
    pairs = ", ".join(f"'{name}', {column} -> '{name}'" for name in names)
    return f"jsonb_strip_nulls(jsonb_build_object({pairs}))"


# Step and class, if the column has room for both.
KIND = f"""concat_ws(' · ',
         CASE WHEN length(concat(error ->> 'step', error ->> 'name')) < 190
              THEN nullif(error ->> 'step', '') END,
         coalesce(error ->> 'name', '{FORGOTTEN}'))"""
RUNS = f"""
UPDATE jobs_run SET output = NULL, error = {_error("error")},
       failure_kind = CASE WHEN failure_kind = '' THEN '' ELSE {KIND} END,
       dealt_with = CASE WHEN dealt_with = '' THEN '' ELSE '{FORGOTTEN}' END,
       turn_keys = '{{}}', turn_limits = '{{}}', turns_held = 0,
       forgotten_at = statement_timestamp()
 WHERE id = ANY(%(ids)s)
"""  # noqa: S608
# What send_event returns are ids.
STEPS = f"""
UPDATE jobs_step SET error = {_error("error")},
       output = CASE WHEN kind = 'send_event' THEN output END,
       detail = {_of("detail", "branch", "id", "n", "run_id", "matched")}
 WHERE run_id = ANY(%(ids)s)
"""  # noqa: S608
ATTEMPTS = f"""
UPDATE jobs_attempt SET traceback = '',
       error_message = CASE WHEN status = 'error' THEN '{FORGOTTEN}' ELSE '' END
 WHERE run_id = ANY(%(ids)s)
"""  # noqa: S608
LINES = "UPDATE jobs_logline SET message = '' WHERE run_id = ANY(%(ids)s)"
FETCHES = f"""
UPDATE jobs_fetch SET headers = '{{}}', body = '', result_url = '',
       url = coalesce(substring(url from '^[^:/?#]+://[^/?#]*'), '') || '/',
       response = CASE WHEN response IS NOT NULL
                       THEN {_of("response", "status_code", "bytes")} END,
       error = {_error("error")}
 WHERE run_id = ANY(%(ids)s)
"""  # noqa: S608
UNDONE = f"""
UPDATE jobs_undoneend SET failure_kind = '{FORGOTTEN}'
 WHERE run_id = ANY(%(ids)s) AND failure_kind <> ''
"""  # noqa: S608

# A run made meanwhile is a rerun of one that is not forgotten.
EVENTS = f"""
UPDATE jobs_event e SET repeat = NULL, dedupe_id = '', forgotten_at = statement_timestamp(),
       data = CASE WHEN name IN ({NAMES_IN_SQL})
                   THEN {_of("data", "function_id", "run_id", "epoch")} ELSE '{{}}' END
 WHERE e.id = ANY(ARRAY(SELECT id FROM jobs_event
                         WHERE id = ANY(%(ids)s) AND forgotten_at IS NULL
                         ORDER BY id FOR UPDATE SKIP LOCKED))
   AND (SELECT 1 FROM jobs_run r WHERE r.event_id = e.id AND r.forgotten_at IS NULL LIMIT 1) IS NULL
RETURNING e.id
"""  # noqa: S608

PROBLEMS = "UPDATE jobs_conditionproblem SET reason = '' WHERE event_id = ANY(%(ids)s)"


@transaction.atomic
def forget_runs(run_ids: Sequence[uuid.UUID]) -> int:
    locked = statements.execute(LOCK, {"ids": list(run_ids)})
    free = statements.execute(FREE, {"ids": [run_id for (run_id,) in locked]})
    asked = {"ids": [run_id for (run_id,) in free]}
    if free:
        texts = (STEPS, ATTEMPTS, LINES, FETCHES, UNDONE, RUNS)
        statements.execute_many(*((text, asked) for text in texts))
    return len(free)


@transaction.atomic
def forget_events(event_ids: Sequence[uuid.UUID]) -> int:
    """Forget events whose runs are all forgotten, and what conditions said of them."""
    forgotten = [event_id for (event_id,) in statements.execute(EVENTS, {"ids": list(event_ids)})]
    if forgotten:
        statements.execute_many((PROBLEMS, {"ids": forgotten}))
    return len(forgotten)
