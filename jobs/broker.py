"""The django-q2 broker whose queue is the Run table: what makes `manage.py qcluster` ours.

django-q2's pusher calls `dequeue` in a loop and puts what it gets into its workers' queue; a
worker calls `work`. Nothing is ever enqueued: a run is in the queue because its row is due.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.signing import SignedPackage

from jobs import models, recovery, registry
from jobs.claims import Claim, claim
from jobs.errors import JobsError
from jobs.events import CHANNEL
from jobs.executor import execute
from jobs.gateway import Gateway

logger = logging.getLogger("jobs.engine")

POLL = 1.0  # seconds between two looks when no NOTIFY comes; also how fast a stop is noticed
HEARTBEAT = 2.0
STAT_LIFETIME = 10  # seconds


class RunBroker(Broker):
    """One per cluster process that needs it; the pusher's is the one that works."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self.worker = f"{socket.gethostname()}/{os.getpid()}"
        self._gateway: Gateway | None = None
        self._listening = False
        self._swept = 0.0
        self._told = 0.0

    # --- the pusher -----------------------------------------------------------------------------

    def dequeue(self) -> list[tuple[str, str]] | None:
        """Due runs as django-q2 tasks; None after a wait in which nothing came."""
        try:
            self._open()
            self._sweep()
            claims = claim(int(Conf.WORKERS), self.worker)
            if claims:
                return [(str(c.run_id), SignedPackage.dumps(_task(c))) for c in claims]
            self._wait()
        except DatabaseError as error:
            logger.warning("The cluster waits for the database: %s", error)
            self._close()
            time.sleep(POLL)
        return None

    def _open(self) -> None:
        if self._gateway is None:
            self.worker = f"{socket.gethostname()}/{os.getpid()}"
            registry.sync()
            self._gateway = Gateway()
            self._gateway.start()
        if not self._listening:
            connection.ensure_connection()
            connection.connection.execute(f"LISTEN {CHANNEL}")
            self._listening = True

    def _close(self) -> None:
        self._listening = False
        connection.close()

    def _wait(self) -> None:
        """Until a NOTIFY comes, the next run is due, or the poll's time is over."""
        for _ in connection.connection.notifies(timeout=recovery.next_due(POLL), stop_after=1):
            if self._gateway is not None:
                self._gateway.wake()

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > HEARTBEAT:
            self._swept = time.monotonic()
            recovery.sweep()

    # --- what the sentinel says of the cluster ----------------------------------------------------

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Keep the cluster's word of itself in a row: all machines see it, no cache is shared."""
        if time.monotonic() - self._told < HEARTBEAT:
            return
        self._told = time.monotonic()
        models.Cluster.objects.update_or_create(
            key=key,
            defaults={"host": socket.gethostname(), "stat": value, "seen_at": Now()},
        )

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
        """Nothing to do: the worker has settled the run in its own transaction."""

    def fail(self, task_id: str) -> None:
        """Nothing to do: a lease that nobody uses runs out."""

    def delete(self, task_id: str) -> None:
        """Nothing to do: runs are deleted by retention alone."""

    def queue_size(self) -> int:
        return models.Run.objects.filter(due_at__lte=Now()).count()

    def lock_size(self) -> int:
        return models.Run.objects.filter(lease_until__isnull=False).count()

    def ping(self) -> bool:
        return True

    def info(self) -> str:
        return "MelodyMaker jobs"

    @staticmethod
    def get_cache() -> None:
        return None


def _alive() -> Any:
    return models.Cluster.objects.filter(seen_at__gt=Now() - timedelta(seconds=STAT_LIFETIME))


def _task(c: Claim) -> dict[str, Any]:
    """A claim in the shape that django-q2 carries; one positional argument, nothing it may pop."""
    return {
        "id": uuid.uuid4().hex,
        "name": c.fn_id,
        "func": work,
        "args": (c,),
        "kwargs": {},
        "started": c.clock.at,
    }


def work(c: Claim) -> None:
    """What a worker calls."""
    if connection.connection is not None and settings.DEBUG:
        connection.queries_log.clear()
    execute(c)
