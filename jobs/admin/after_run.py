"""The hook of a failed or cancelled run, and whether it has told of the run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.urls import reverse

from jobs.ids import first_id
from jobs.models import Run, RunStatus

MAX_READ = 1_000
RUN_BEFORE, AFTER = timedelta(seconds=30), timedelta(minutes=5)  # machines' clocks may differ

# The hook's run is made with the end: its id has that time. The latest replay counts.
HOOK = """
WITH made AS (
  SELECT r.id, r.fn_id, r.status
    FROM (SELECT id, fn_id, status, event_id FROM jobs_run
           WHERE fn_id = (SELECT config ->> %(moment)s FROM jobs_registeredfunction
                           WHERE fn_id = %(fn_id)s) AND id >= %(first)s AND id < %(last)s
           ORDER BY id LIMIT %(most)s) AS r
    JOIN jobs_event e ON e.id = r.event_id
   WHERE e.data ->> 'run_id' = %(run_id)s ORDER BY r.id DESC LIMIT 1)
SELECT id, fn_id, status FROM made
UNION ALL
SELECT * FROM (SELECT again.id, again.fn_id, again.status FROM made
                 JOIN jobs_run again ON again.rerun_of_id = made.id
                ORDER BY again.id DESC LIMIT 1) AS replayed
"""
MOMENTS: dict[str, str] = {RunStatus.FAILED: "on_failure", RunStatus.CANCELLED: "on_cancel"}
WORDS: dict[str, str] = {
    RunStatus.SKIPPED: "was skipped, and waits for a replay",
    RunStatus.COMPLETED: "has told of it",
    RunStatus.FAILED: "failed, and may not have told of it",
    RunStatus.CANCELLED: "was cancelled, and may not have told of it",
}


@dataclass(frozen=True, slots=True)
class AfterRun:
    """“generate-song-event-failure” “was skipped, and waits for a replay”, and the hook's run."""

    fn_id: str
    said: str
    url: str
    is_open: bool  # perhaps nothing has been told yet

    def __str__(self) -> str:
        return f"After this run: {self.fn_id} {self.said}."


def after_run(run: Run) -> AfterRun | None:
    """None for another end, without a hook, or once the hook's run is gone. One query reads at most
    MAX_READ runs of the hook."""
    moment = MOMENTS.get(run.status)
    if moment is None or run.ended_at is None:
        return None
    found = _latest(run, moment, run.ended_at)
    if found is None:
        return None
    run_id, fn_id, status = found
    return AfterRun(
        fn_id=fn_id,
        said=WORDS.get(status, "is under way"),
        url=reverse("admin:jobs_run_change", args=[run_id]),
        is_open=status != RunStatus.COMPLETED,
    )


def _latest(run: Run, moment: str, ended_at: datetime) -> tuple[uuid.UUID, str, str] | None:
    asked: dict[str, Any] = {
        "fn_id": run.fn_id,
        "moment": moment,
        "first": first_id(ended_at - RUN_BEFORE),
        "last": first_id(ended_at + AFTER),
        "run_id": str(run.pk),
        "most": MAX_READ,
    }
    with connection.cursor() as cursor:
        cursor.execute(HOOK, asked)
        rows = cursor.fetchall()
    return rows[-1] if rows else None
