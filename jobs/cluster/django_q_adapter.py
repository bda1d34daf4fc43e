"""All that leans on django-q2's insides, beside the broker's public interface.

A worker killed with the lock of django-q2's queues (multiprocessing's) would keep all others out
for ever. So the engine's sentinel uses queues without locks (pipe_queue), and forks workers, pusher
and monitor by process_tree.

1. An untested minor version is a warning (`jobs.W022`, django_q_version). An untested major
   version, or a sentinel without what is used here, starts no cluster.
2. Nothing of django-q2 is patched: the engine's `manage.py qcluster` starts an EngineCluster.
"""

from __future__ import annotations

import inspect
import time
import uuid
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import connections
from django_q.cluster import Cluster, Sentinel
from django_q.conf import Conf
from django_q.pusher import pusher
from django_q.worker import worker

from jobs.cluster import django_q_version, shared
from jobs.platform.ipc import pipe_queue, process_tree, shared_state
from jobs.platform.postgres import query_log, statements

CONNECTION_LIFETIME = 60  # seconds, at least
GIVEN = ("stop_event", "start_event", "cluster_id", "broker", "timeout", "start")
LEFT = ("pool", "task_queue", "result_queue", "event_out", "timeout")
CALLED = ("start", "spawn_process", "spawn_worker", "spawn_pusher", "spawn_monitor", "reincarnate")


def push(*args: Any) -> None:
    """The process lives on until its gateway has what is in flight. Its session ends now, with the
    lock that says that this cluster looks (listener, 4).
    """
    try:
        pusher(*args)
    finally:
        connections.close_all()


class EngineSentinel(Sentinel):
    def __init__(self, *given: Any, start: bool = True) -> None:
        super().__init__(*given, start=False)
        shifts = pipe_queue.LossyQueue(Conf.QUEUE_LIMIT or int(Conf.WORKERS))
        self.task_queue, self.result_queue = shifts, pipe_queue.ResultQueue()
        self.event_out = shared_state.Event()
        self.shared = shared.make(shifts, int(Conf.WORKERS))
        if start:
            self.start()

    def start(self) -> None:
        prepare_sentinel()
        super().start()

    def spawn_process(self, target: Any, *args: Any) -> BaseProcess:
        process: Any = _process(push if target is pusher else target, args)
        process.daemon = True
        if target is worker:
            process.daemon, process.timer = Conf.DAEMONIZE_WORKERS, args[2]
            self.pool.append(process)
        process.start()
        return process

    def spawn_worker(self) -> None:
        timer = shared_state.Value("f", -1)
        self.spawn_process(worker, self.task_queue, self.result_queue, timer, self.timeout)


def prepare_sentinel() -> None:
    """Before it forks: what its forks inherit, and how they end with it (process_tree)."""
    process_tree.end_with_main()
    process_tree.die_with_sentinel()
    process_tree.ignore_sigterm()
    query_log.keep_none()
    statements.keep_connections(CONNECTION_LIFETIME)


class EngineCluster(Cluster):
    def start(self) -> int:
        """Returns this process's number once the sentinel is at work; RuntimeError if an error ends
        it first.

        The sentinel waits for `stop_event` between two looks at its processes. It is no event of
        multiprocessing's: that waits by the wall clock, an hour longer if this is set back by one.
        """
        self.stop_event, self.start_event = shared_state.Event(), shared_state.Event()
        given = (self.stop_event, self.start_event, self.cluster_id, self.broker, self.timeout)
        self.sentinel = _process(EngineSentinel, given)
        self.sentinel.start()
        # A stop signal meanwhile sets start_event to None.
        while self.start_event and not self.start_event.is_set():
            if not self.sentinel.is_alive():
                self._raise_if_failed()
                break
            time.sleep(0.1)
        return int(self.pid)

    def _raise_if_failed(self) -> None:
        code = self.sentinel.exitcode
        if code:
            raise RuntimeError(f"The cluster did not start: its sentinel ended with code {code}.")


def _process(target: Any, args: tuple[Any, ...]) -> Any:
    name = f"Process-{uuid.uuid4().hex}"
    return process_tree.context().Process(target=target, args=args, name=name)


# --- the tested django-q2 -----------------------------------------------------------------------


def refuse_untested() -> None:
    """Raises JobsError."""
    if django_q_version.installed()[0] != django_q_version.TESTED.first[0]:
        raise django_q_version.refusal(f"{django_q_version.name()} is installed")
    missing = _missing()
    if missing:
        what = f"the sentinel of {django_q_version.name()} has not, or not so, {', '.join(missing)}"
        raise django_q_version.refusal(what)


def _missing() -> list[str]:
    given = inspect.signature(Sentinel.__init__).parameters
    source = inspect.getsource(Sentinel.__init__)
    parts = [name for name in GIVEN if name not in given]
    parts += [name for name in LEFT if f"self.{name} =" not in source]
    parts += [name for name in CALLED if not callable(getattr(Sentinel, name, None))]
    return list(dict.fromkeys(parts))
