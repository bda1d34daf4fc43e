"""The newest run that a function has made of an event, reruns included."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import NamedTuple

from jobs.events.event_ids import event_ids_of
from jobs.models import UNFINISHED
from jobs.platform.postgres import statements
from jobs.runs.rerun_tree import with_reruns

OF_EVENTS = """SELECT event_id, id FROM jobs_run
   WHERE event_id = ANY(%(event_ids)s::uuid[]) AND fn_id = %(fn_id)s"""
LATEST = f"""
{with_reruns(OF_EVENTS)}
SELECT DISTINCT ON (f.root) f.root, r.id, r.status
  FROM reruns f JOIN jobs_run r ON r.id = f.id ORDER BY f.root, r.id DESC
"""  # noqa: S608


class LatestRun(NamedTuple):
    id: uuid.UUID
    status: str

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED


def latest_runs(
    event_ids: Collection[str | uuid.UUID], *, fn_id: str
) -> dict[uuid.UUID, LatestRun]:
    """A function's newest run for each event, reruns included; events without one are left out."""
    if not event_ids:
        return {}
    values = {"event_ids": event_ids_of(event_ids, "latest_runs"), "fn_id": fn_id}
    rows = statements.execute(LATEST, values)
    return {event_id: LatestRun(run_id, status) for event_id, run_id, status in rows}
