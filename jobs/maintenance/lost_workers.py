"""A dead worker's run need not wait until its lease lapses: the heartbeat has the death recorded as
an attempt. The run's row is locked, and a run that has another token by now is left alone.
"""

from __future__ import annotations

import uuid

from django.db import transaction

from jobs import models
from jobs.errors import WorkerLost
from jobs.execution.current_step import decode_current_step
from jobs.execution.lost_attempt import record_attempt
from jobs.platform.postgres import notifier


@transaction.atomic
def record_lost_worker(run_id: uuid.UUID, token: uuid.UUID, pid: int, current_step: str) -> bool:
    """A worker's loss is an attempt of its current step (law 5). False if the lease was lost."""
    run = models.Run.objects.held(run_id, token).lock_first()
    if run is None:
        return False
    step, _ = decode_current_step(current_step, run_id) or (None, 0.0)
    where = f"in step “{step.name}”" if step else "between two steps"
    error = WorkerLost(
        f"The worker process {pid} vanished {where}: killed, out of memory, out of time, or "
        "ended by the function itself."
    )
    record_attempt(run, error, current_step)
    notifier.tell_clusters()
    return True
