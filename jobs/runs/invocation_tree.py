"""The tree of invoked runs (`invoked_by`). A parent waits, but each run ends by itself."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from jobs import models
from jobs.models import StepKind, StepStatus
from jobs.platform.postgres import statements
from jobs.runs.rerun_tree import with_reruns

# Passes ended runs: those that they invoked may go on.
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
MAX_RUNS = 10_000


def unfinished_below(
    root: uuid.UUID | Sequence[uuid.UUID], most: int = MAX_RUNS, walked: int | None = None
) -> list[uuid.UUID]:
    """Nearest first: at most `most`, among the first `walked`."""
    roots = [root] if isinstance(root, uuid.UUID) else list(root)
    values = {"roots": roots, "most": most, "walked": walked}
    return [run_id for (run_id,) in statements.execute(BELOW, values)]


def is_below(run_id: uuid.UUID, root: str | uuid.UUID) -> bool:
    line = [str(found) for (found,) in statements.execute(ABOVE, {"run_id": run_id})]
    return str(root) in line[1:]


# Of a run and its reruns by operators, and theirs, the one whose output counts: completed, else
# unfinished, else newest.
STAND_INS = f"""
{with_reruns("SELECT id, id FROM jobs_run WHERE id = ANY(%(ids)s)")}
SELECT DISTINCT ON (f.root) f.root, r.id FROM reruns f JOIN jobs_run r ON r.id = f.id
 ORDER BY f.root, (r.status = 'completed') DESC, (r.ended_at IS NULL) DESC, r.id DESC
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Awaited:
    runs: list[models.Run]
    stand_ins: dict[uuid.UUID, uuid.UUID]  # invoked run → stand-in


def awaited_by(run: models.Run) -> Awaited:
    """The runs that a run waits for, or whose end its failed steps report."""
    steps = run.steps.filter(kind=StepKind.INVOKE)
    waiting = Q(status=StepStatus.WAITING)
    open_steps = steps.filter(waiting | Q(status=StepStatus.FAILED, name__in=failed_steps(run)))
    details = open_steps.values_list("detail", flat=True)
    found = _stand_ins([uuid.UUID(detail["run_id"]) for detail in details if "run_id" in detail])
    runs = models.Run.objects.filter(id__in=found.values()).select_related("event").order_by("id")
    return Awaited(list(runs), found)


def _stand_ins(invoked: Sequence[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    return dict(statements.execute(STAND_INS, {"ids": list(invoked)})) if invoked else {}


def failed_steps(run: models.Run) -> list[str]:
    """The steps whose failure ended the run: one, or several branches'."""
    if not isinstance(run.error, dict):
        return []
    return run.error.get("steps") or [run.error[key] for key in ("step",) if key in run.error]
