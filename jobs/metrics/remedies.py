"""The remedy for failed runs of a kind, judged by one of them: a proposal only.

1. A retry asks a failed request again, whatever the answer was.
2. A step that ended in a NonRetriableError, or did not understand a value, behind a request: a
   retry would meet the same remembered answer, so a new run goes on from the request.
3. A NonRetriableError without a request before it, or a missing row: what the run is about is gone.
   It is left out, and dealt with.
4. Everything else is tried again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection

from jobs.lib.failure_kinds import ShortReason, class_of, reason_of

# The failed step's kind, its error's class, and the last answered request before it.
SAMPLES = """
SELECT r.id, coalesce(failed.kind, ''), coalesce(asked.name, ''),
       jsonb_build_object('step', r.error -> 'step', 'cause', r.error -> 'cause',
                          'name', r.error -> 'name', 'message', r.error -> 'message')
  FROM jobs_run r
  LEFT JOIN jobs_step failed ON failed.run_id = r.id AND failed.name = r.error ->> 'step'
  LEFT JOIN LATERAL (
       SELECT name FROM jobs_step s
        WHERE s.run_id = r.id AND s.kind = 'fetch' AND s.status = 'completed'
          AND s.position < coalesce(failed.position, 2147483647)
        ORDER BY s.position DESC LIMIT 1) asked ON true
 WHERE r.id = ANY(%(ids)s)
"""
DATA_ERRORS = {"AttributeError", "IndexError", "KeyError", "TypeError", "ValueError"}
FINAL = "NonRetriableError"


class Remedy(StrEnum):
    RETRY = "retry"
    RERUN_FROM = "rerun from"
    LEAVE_OUT = "leave out"


@dataclass(frozen=True, slots=True)
class Advice:
    """`from_step` says where a RERUN_FROM begins; `why` is a sentence, empty for a RETRY."""

    reason: ShortReason
    remedy: Remedy = Remedy.RETRY
    from_step: str = ""
    why: str = ""


def advice_for(run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Advice]:
    """For each of these failed runs; one query."""
    if not run_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(SAMPLES, {"ids": list(run_ids)})
        return {
            run_id: _advice(kind, asked, json.loads(error))
            for run_id, kind, asked, error in cursor.fetchall()
        }


def _advice(kind: str, asked: str, error: dict[str, Any]) -> Advice:
    reason = reason_of(error)
    name = class_of(error)
    if kind not in ("", "run"):
        return Advice(reason)
    if name.endswith("DoesNotExist"):
        why = "What the run is about is not there any more."
        return Advice(reason, Remedy.LEAVE_OUT, "", why)
    if asked and (name == FINAL or name in DATA_ERRORS):
        why = f"The remembered answer of {asked} would fail again; rerun from {asked}."
        return Advice(reason, Remedy.RERUN_FROM, asked, why)
    if name == FINAL:
        why = "The function says that trying again cannot help."
        return Advice(reason, Remedy.LEAVE_OUT, "", why)
    return Advice(reason)
