"""Endpoints' answers to the requests of events' runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import NamedTuple

from jobs.control.forgetting import OFFSPRING
from jobs.events.event_ids import event_ids_of
from jobs.fetch.response import Response
from jobs.models import IN_FLIGHT, in_sql
from jobs.platform.postgres import statements

REQUESTS = f"""
{OFFSPRING}
SELECT DISTINCT ON (q.id) q.status IN {in_sql(IN_FLIGHT)} OR r.ended_at IS NULL AS is_in_flight,
       s.output::text AS answer
  FROM offspring f JOIN jobs_run r ON r.id = f.id
       JOIN jobs_fetch q ON q.run_id = r.id
       LEFT JOIN jobs_step s ON s.run_id = r.id AND s.name = q.step_name
 WHERE f.is_run AND (q.step_name = %(step)s OR starts_with(q.step_name, %(step)s || ':'))
 ORDER BY q.id
"""  # noqa: S608


class Answers(NamedTuple):
    in_flight: int  # requests that may still be answered, or asked again
    responses: list[Response]


def answers(event_ids: Iterable[str | uuid.UUID], *, step: str) -> Answers:
    """The answers to this step's requests (`step`, `step:1`, …), of all runs of these events, also
    of runs that were cancelled with the request in flight."""
    values = {"roots": event_ids_of(event_ids, "answers"), "step": step}
    rows = statements.execute(REQUESTS, values)
    found = [Response(json.loads(answer)) for _, answer in rows if answer]
    return Answers(sum(in_flight for in_flight, _ in rows), found)
