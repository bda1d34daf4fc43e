"""What a cluster's processes share: made in its sentinel, inherited by its forks."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.cluster.dispatch import Dispatch
from jobs.cluster.worker_table import WorkerTable
from jobs.errors import JobsError
from jobs.platform.ipc.pipe_queue import LossyQueue
from jobs.platform.postgres import notifier


@dataclass(frozen=True, slots=True)
class Shared:
    worker_table: WorkerTable
    dispatch: Dispatch


_shared: Shared | None = None


def make(shifts: LossyQueue, workers: int) -> Shared:
    global _shared
    worker_table = WorkerTable()
    _shared = Shared(worker_table, Dispatch(worker_table, shifts, workers))
    notifier.belong_to(worker_table)
    return _shared


def of_this_cluster() -> Shared:
    if _shared is None:
        raise JobsError(
            "This process belongs to no cluster of the engine. Start clusters with `manage.py "
            "qcluster`, and name “jobs” before “django_q” in INSTALLED_APPS."
        )
    return _shared
