"""Requests in flight: since when, and how long such requests took."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from jobs.models import IN_FLIGHT, Fetch, FetchStatus, Reason, Run

# Requests of the same step in the function's last completed runs, among MAX_RUNS runs.
MAX_SHOWN = 50
MAX_RUNS = 5000
MAX_STEPS = 10  # of one page
MIN_TO_TRIM = 10  # from here on, without the fastest and slowest tenths

TOOK = """
SELECT f.ended_at - f.sent_at
  FROM (SELECT id
          FROM (SELECT id, status FROM jobs_run WHERE fn_id = %(fn_id)s
                 ORDER BY id DESC LIMIT %(most)s) AS newest
         WHERE status = 'completed' ORDER BY id DESC LIMIT %(latest)s) AS completed
  JOIN jobs_fetch f ON f.run_id = completed.id AND f.step_name = %(step_name)s
 WHERE f.status = 'answered' AND f.sent_at <= f.ended_at
 ORDER BY 1
"""

Span = tuple[timedelta, timedelta]


@dataclass(frozen=True, slots=True)
class InFlight:
    since: datetime | None  # None: it waits to be sent, behind a cluster's requests in flight
    usual: Span | None  # 10th to 90th percentile; None: unknown


def in_flight(runs: Iterable[Run]) -> dict[uuid.UUID, InFlight]:
    """One query, and one a step."""
    waiting = {run.pk: run for run in runs if run.reason == Reason.FETCH and not run.is_finished}
    found = {fetch.run_id: fetch for fetch in reversed(_open_requests(waiting))}
    steps = {(waiting[run_id].fn_id, fetch.step_name) for run_id, fetch in found.items()}
    usual = {step: usual_span(*step) for step in sorted(steps)[:MAX_STEPS]}
    return {
        run_id: InFlight(
            since=fetch.sent_at if fetch.status == FetchStatus.SENDING else None,
            usual=usual.get((waiting[run_id].fn_id, fetch.step_name)),
        )
        for run_id, fetch in found.items()
    }


def _open_requests(run_ids: Iterable[uuid.UUID]) -> list[Fetch]:
    ids = list(run_ids)
    if not ids:
        return []
    rows = Fetch.objects.filter(run_id__in=ids, status__in=IN_FLIGHT)
    columns = ("run_id", "step_name", "status", "sent_at")
    return list(rows.order_by("-status", "sent_at", "id").only(*columns))  # sending, then pending


def usual_span(fn_id: str, step_name: str) -> Span | None:
    asked: dict[str, Any] = {
        "fn_id": fn_id,
        "step_name": step_name,
        "most": MAX_RUNS,
        "latest": MAX_SHOWN,
    }
    with connection.cursor() as cursor:
        cursor.execute(TOOK, asked)
        took: list[timedelta] = [span for (span,) in cursor.fetchall()]
    if not took:
        return None
    left_out = len(took) // 10 if len(took) >= MIN_TO_TRIM else 0
    return took[left_out], took[-1 - left_out]
