"""Runs that runs have invoked: a tree, by `invoked_by`.

A parent waits for a run that it has invoked, but the two end by themselves: what cancels the
parent, or fails it, lets the other go on.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from jobs import models
from jobs.models import StepKind, StepStatus
from jobs.platform.postgres import statements

# A tree is walked through runs that have ended too: what they have invoked may go on.
BELOW = """
WITH RECURSIVE below(id, depth, is_open) AS (
  SELECT id, 1, ended_at IS NULL FROM jobs_run WHERE invoked_by_id = ANY(%(roots)s)
  UNION ALL
  SELECT r.id, below.depth + 1, r.ended_at IS NULL
    FROM below JOIN jobs_run r ON r.invoked_by_id = below.id)
SELECT id FROM (SELECT * FROM below LIMIT %(walked)s) walked
 WHERE is_open ORDER BY depth, id LIMIT %(most)s
"""
ABOVE = """
WITH RECURSIVE above(id, parent) AS (
  SELECT id, invoked_by_id FROM jobs_run WHERE id = %(run_id)s
  UNION ALL
  SELECT r.id, r.invoked_by_id FROM above JOIN jobs_run r ON r.id = above.parent)
SELECT id FROM above
"""
MOST = 10_000


def unfinished_below(
    root: uuid.UUID | Sequence[uuid.UUID], most: int = MOST, walked: int | None = None
) -> list[uuid.UUID]:
    """The unfinished runs that a run, or any of several, has invoked, that these have invoked, and
    so on: nearest first, at most so many; among the first `walked` that there are."""
    roots = [root] if isinstance(root, uuid.UUID) else list(root)
    values = {"roots": roots, "most": most, "walked": walked}
    return [run_id for (run_id,) in statements.execute(BELOW, values)]


def is_below(run_id: uuid.UUID, root: str | uuid.UUID) -> bool:
    """Whether a run was invoked by another, or by one that this has invoked, and so on."""
    line = [str(found) for (found,) in statements.execute(ABOVE, {"run_id": run_id})]
    return str(root) in line[1:]


def awaited_by(run: models.Run) -> list[models.Run]:
    """The runs that a run waits for, or whose end its failed step tells of."""
    steps = run.steps.filter(kind=StepKind.INVOKE)
    open_steps = [
        *steps.filter(status=StepStatus.WAITING),
        *steps.filter(status=StepStatus.FAILED, name=failed_step(run)),
    ]
    ids = [step.detail["run_id"] for step in open_steps if "run_id" in step.detail]
    return list(models.Run.objects.filter(id__in=ids).select_related("event").order_by("id"))


def failed_step(run: models.Run) -> str | None:
    """The name of the step that a run's error tells of."""
    return run.error.get("step") if isinstance(run.error, dict) else None
