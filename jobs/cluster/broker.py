"""A django-q2 broker whose queue is the Run table's due rows; nothing is enqueued."""

from __future__ import annotations

import multiprocessing
import socket
import time
from datetime import timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.signing import SignedPackage

from jobs import models
from jobs.cluster import pulse, shared
from jobs.cluster.code_version import code_version
from jobs.cluster.pusher import Pusher
from jobs.errors import JobsError

STAT_INTERVAL = 2.0  # seconds between reports
STAT_LIFETIME = 10  # seconds


class RunBroker(Broker):
    """One per process; the pusher's does the work."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self._pusher: Pusher | None = None
        self._stat_written = 0.0

    def ping(self) -> bool:
        """A sentinel's first call. One of django-q2's own belongs to no cluster: JobsError."""
        if multiprocessing.parent_process() is not None:
            shared.of_this_cluster()
        return True

    def dequeue(self) -> list[tuple[str, str]] | None:
        if self._pusher is None:
            self._pusher = Pusher()
        return self._pusher.dequeue()

    # --- the cluster's row ------------------------------------------------------------------------

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Reports are in a row, for all machines. The last one, that the cluster has stopped, is
        never left out: the cluster would count as dead.
        """
        stat = SignedPackage.loads(value)
        has_stopped = stat.status == Conf.STOPPED
        if time.monotonic() - self._stat_written < STAT_INTERVAL and not has_stopped:
            return
        self._stat_written = time.monotonic()
        said = {
            "host": socket.gethostname(),
            "stat": value,
            "pulse": pulse.pulse_of(shared.of_this_cluster().worker_table, int(Conf.WORKERS), stat),
            "version": code_version(),
            "seen_at": Now(),
            "stopped_at": Now() if has_stopped else None,
        }
        try:
            models.Cluster.objects.update_or_create(key=key, defaults=said)
        except DatabaseError:
            connection.close()
            raise

    def get_stat(self, key: str) -> str | None:
        return _alive().filter(key=key).values_list("stat", flat=True).first()

    def get_stats(self, pattern: str) -> list[str]:
        return list(_alive().values_list("stat", flat=True))

    # --- the rest of django-q2's interface --------------------------------------------------------

    def enqueue(self, task: str) -> str:
        raise JobsError(
            "This cluster's queue is the Run table: start work with jobs.api.send(Event(…)), "
            "not with django-q2's async_task()."
        )

    def acknowledge(self, task_id: str) -> None:
        """The worker has settled the run."""

    def fail(self, task_id: str) -> None:
        """The lease runs out."""

    def delete(self, task_id: str) -> None:
        """Only retention deletes runs."""

    def queue_size(self) -> int:
        return models.Run.objects.due().count()

    def lock_size(self) -> int:
        return models.Run.objects.filter(lease_until__isnull=False).count()

    def info(self) -> str:
        return "MelodyMaker jobs"

    @staticmethod
    def get_cache() -> None:
        return None


def _alive() -> Any:
    return models.Cluster.objects.filter(seen_at__gt=Now() - timedelta(seconds=STAT_LIFETIME))
