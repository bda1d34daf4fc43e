"""The tree of invoked runs (`invoked_by`). A parent waits, but each run ends by itself."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db.models import Q

from jobs import models
from jobs.models import StepKind, StepStatus
from jobs.platform.postgres import statements

# Passed through: an ended run's invoked runs may go on.
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
    """Nearest first: at most `most`, among the first `walked`."""
    roots = [root] if isinstance(root, uuid.UUID) else list(root)
    values = {"roots": roots, "most": most, "walked": walked}
    return [run_id for (run_id,) in statements.execute(BELOW, values)]


def is_below(run_id: uuid.UUID, root: str | uuid.UUID) -> bool:
    line = [str(found) for (found,) in statements.execute(ABOVE, {"run_id": run_id})]
    return str(root) in line[1:]


def awaited_by(run: models.Run) -> list[models.Run]:
    """The runs that a run waits for, or whose end its failed step reports."""
    is_open = Q(status=StepStatus.WAITING) | Q(status=StepStatus.FAILED, name=failed_step(run))
    details = run.steps.filter(is_open, kind=StepKind.INVOKE).values_list("detail", flat=True)
    ids = [detail["run_id"] for detail in details if "run_id" in detail]
    return list(models.Run.objects.filter(id__in=ids).select_related("event").order_by("id"))


def failed_step(run: models.Run) -> str | None:
    return run.error.get("step") if isinstance(run.error, dict) else None
