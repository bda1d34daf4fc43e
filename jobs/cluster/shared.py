"""What a cluster's processes share: made in its sentinel, inherited by its forks."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.cluster.dispatch import Dispatch
from jobs.cluster.worker_table import Board
from jobs.errors import JobsError
from jobs.platform.ipc.pipe_queue import Hints
from jobs.platform.postgres import notifier


@dataclass(frozen=True, slots=True)
class Shared:
    """Which worker is at which run, and claims on their way."""

    board: Board
    dispatch: Dispatch


_shared: Shared | None = None


def make(shifts: Hints, workers: int) -> Shared:
    global _shared
    board = Board()
    _shared = Shared(board, Dispatch(board, shifts, workers))
    notifier.belong_to(board)
    return _shared


def of_this_cluster() -> Shared:
    if _shared is None:
        raise JobsError(
            "This process belongs to no cluster of the engine. Start clusters with `manage.py "
            "qcluster`, and name “jobs” before “django_q” in INSTALLED_APPS."
        )
    return _shared
