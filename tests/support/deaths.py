"""Workers and clusters that die of a run: processes of their own, whose death is `os._exit`."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import count

from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.models.functions import Now

from jobs.cluster.heartbeat import Heartbeat
from jobs.cluster.worker_table import WorkerTable
from jobs.execution.executor import execute
from jobs.maintenance import sweeper
from jobs.models import Run
from jobs.runs.claiming import claim_due
from tests.support.functions import in_a_child

DIED = 9
HERE = os.getpid()


def die_at_commit(number: int, *, before: bool) -> None:
    """This process ends at its commit of that number from here on, without any clean-up."""
    commit, numbers = DatabaseWrapper._commit, count(1)

    def deadly_commit(self: DatabaseWrapper) -> None:
        is_here = next(numbers) == number
        if is_here and before:
            os._exit(DIED)
        commit(self)
        if is_here:
            os._exit(DIED)

    DatabaseWrapper._commit = deadly_commit


def deadly(said: str = "survived") -> str:
    """Ends its process, unless that is the test's own."""
    if os.getpid() != HERE:
        os._exit(DIED)
    return said


def lose_worker() -> None:
    """Have a worker take up the run that is due and die of it; its cluster finds that out."""
    worker_table = WorkerTable()

    def work() -> None:
        (claimed,) = claim_due(1)
        worker_table.begin(claimed.run_id, claimed.token)
        execute(claimed, worker_table)

    assert in_a_child(work) == DIED
    Heartbeat(worker_table)._report_dead_workers()


def lose_cluster() -> None:
    """Have a cluster claim what is due and die of it as a whole; another one finds that out."""
    assert in_a_child(lambda: [execute(claimed) for claimed in claim_due(10)]) == DIED
    leases_lapse()
    sweeper.sweep()


def leases_lapse() -> None:
    held = Run.objects.filter(lease_token__isnull=False)
    held.update(lease_until=Now() - timedelta(seconds=1))


def lost_attempts(run: Run) -> list[tuple[str, int]]:
    """The step and the number of each attempt that was lost with its worker."""
    lost = run.attempts.filter(error_class="jobs.errors.WorkerLost")
    return list(lost.values_list("step_name", "number"))
