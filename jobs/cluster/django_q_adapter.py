"""Puts the engine's shared objects in the place of django-q2's."""

from __future__ import annotations

from django_q import cluster
from django_q.conf import Conf

from jobs.cluster.dispatch import Dispatch
from jobs.cluster.worker_table import Board
from jobs.errors import JobsError
from jobs.platform.ipc import pipe_queue, process_tree, shared_state
from jobs.platform.postgres import notifier

# This process's cluster: made in the sentinel, inherited by fork.
board = Board()
_dispatch: Dispatch | None = None


def share_without_locks() -> None:
    """The sentinel makes its broker just before the objects that its processes share. Why no locks:
    pipe_queue."""
    cluster.Queue, cluster.Event, cluster.Value = _queue, shared_state.Event, shared_state.Value
    cluster.get_mp_context = process_tree.context


def _queue(maxsize: int = 0) -> pipe_queue.Queue:
    """django-q2's task queue, which holds shifts, has a limit; its result queue has none."""
    global board, _dispatch
    if not maxsize:
        return pipe_queue.Results()
    shifts = pipe_queue.Hints(maxsize)
    board = Board()
    _dispatch = Dispatch(board, shifts, int(Conf.WORKERS))
    notifier.belong_to(board)
    return shifts


def the_dispatch() -> Dispatch:
    if _dispatch is None:
        raise JobsError("Q_CLUSTER needs a `queue_limit`, the number of its workers.")
    return _dispatch
