"""Tells operators of conditions and keys without a value for an event.

1. One row counts all events of an expression (models.ConditionProblem).
2. It is written after the sender's commit, by its own statement: senders do not wait for each
   other's transactions at the row. What was rolled back is not told.
3. A process writes each row at most once per GAP (ABSENT_GAP), and counts in between. What it has
   counted at its end is lost: there were at least so many.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from jobs.lib.excerpts import excerpt
from jobs.lib.json_values import ENCODER
from jobs.models import ConditionProblem
from jobs.platform.postgres import statements
from jobs.registry import expressions
from jobs.registry.expressions import WhyNot

logger = logging.getLogger("jobs.events")

GAP = 1.0  # seconds
ABSENT_GAP = 60.0  # seconds; an absent field is ordinary
REASON_LIMIT = 500
Place = ConditionProblem.Place
Key = tuple[str, str, bool, str]

WRITE = """
INSERT INTO jobs_conditionproblem AS known
  (fn_id, place, is_mistake, digest, expression, count, first_at, last_at, event_id, reason)
SELECT fn_id, place, is_mistake, digest, expression, count, statement_timestamp(),
       statement_timestamp(), event_id, reason
  FROM json_to_recordset(%(problems)s::json)
    AS p(fn_id text, place text, is_mistake bool, digest text, expression text, count bigint,
         event_id uuid, reason text)
 ORDER BY fn_id, place, is_mistake, digest
ON CONFLICT (fn_id, place, is_mistake, digest) DO UPDATE
   SET count = known.count + excluded.count, last_at = excluded.last_at,
       event_id = excluded.event_id, reason = excluded.reason
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    fn_id: str
    place: str
    expression: str
    event_id: uuid.UUID  # its row's
    reason: str
    is_mistake: bool
    count: int = 1

    @property
    def key(self) -> Key:
        digest = hashlib.md5(self.expression.encode(), usedforsecurity=False).hexdigest()
        return self.fn_id, self.place, self.is_mistake, digest

    def as_row(self) -> dict[str, Any]:
        fn_id, place, is_mistake, digest = self.key
        return {
            "fn_id": fn_id,
            "place": place,
            "is_mistake": is_mistake,
            "digest": digest,
            "expression": self.expression,
            "count": self.count,
            "event_id": self.event_id.hex,
            "reason": excerpt(self.reason, REASON_LIMIT),
        }


class _Noted(threading.local):
    """This thread's problems, until their events are written."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []


_noted = _Noted()
_lock = threading.Lock()
_counted: dict[Key, int] = {}  # events that no row counts yet
_written: dict[Key, float] = {}  # monotonic


def holds(
    fn_id: str, place: str, source: str, variables: dict[str, Any], event_id: uuid.UUID, where: str
) -> bool:
    reason = expressions.why_not(source, variables)
    if reason is None:
        return True
    if reason.is_mistake or reason.is_absent:
        note(fn_id, place, source, event_id, reason)
    if reason.is_mistake:
        expressions.warn(f"{where}: {reason.text}")
    return False


def note(fn_id: str, place: str, source: str, event_id: uuid.UUID, reason: WhyNot) -> None:
    problem = Problem(
        fn_id=fn_id,
        place=place,
        expression=source,
        event_id=event_id,
        reason=reason.text,
        is_mistake=reason.is_mistake,
    )
    _noted.problems.append(problem)


def forget() -> None:
    """Of events that were not inserted."""
    _noted.problems = []


def report() -> None:
    """Write what this thread noted, after its transaction if any. Call it once the events are
    inserted. Raises nothing.
    """
    if not _noted.problems:
        return
    noted, _noted.problems = _noted.problems, []
    due = [problem for problem in noted if not _is_only_counted(problem)]
    if not due:
        return
    here = connections[DEFAULT_DB_ALIAS]
    if here.in_atomic_block:
        here.on_commit(partial(_write, due), robust=True)
    else:
        _write(due)


def _is_only_counted(problem: Problem) -> bool:
    gap = GAP if problem.is_mistake else ABSENT_GAP
    with _lock:
        if time.monotonic() - _written.get(problem.key, -gap) >= gap:
            return False
        _counted[problem.key] = _counted.get(problem.key, 0) + problem.count
        return True


def _write(problems: Iterable[Problem]) -> None:
    together = _with_those_counted(problems)
    rows = [problem.as_row() for problem in together.values()]
    try:
        statements.execute(WRITE, {"problems": ENCODER.encode(rows)})
    except Exception as error:
        with _lock:
            for key, problem in together.items():
                _counted[key] = _counted.get(key, 0) + problem.count
        logger.info("What conditions could not evaluate cannot be written: %s", error)


def _with_those_counted(problems: Iterable[Problem]) -> dict[Key, Problem]:
    together: dict[Key, Problem] = {}
    for problem in problems:
        known = together.get(problem.key)
        count = problem.count + (known.count if known else 0)
        together[problem.key] = replace(problem, count=count)
    with _lock:
        for key, problem in together.items():
            together[key] = replace(problem, count=problem.count + _counted.pop(key, 0))
            _written[key] = time.monotonic()
    return together
