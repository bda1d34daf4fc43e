"""A thread of the pusher renews the leases of the cluster's runs.

1. A living worker's run keeps its lease, however long the step.
2. A dead worker's run is requeued at once, and the death recorded as an attempt.
3. A claim that waited a third of its lease is given back: other clusters may have free workers. A
   worker first renews a claim older than a quarter (worker._ensure_lease).
4. When the cluster stops, waiting claims are given back at once. The heartbeat goes on until the
   last worker has settled its run: django-q2's pusher, and so its sentinel, waits for this thread.

If the whole cluster dies, another's sweep finds the lapsed leases.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterable

from django.db import connection

from jobs import conf
from jobs.cluster.worker_table import WorkerEntry, WorkerTable
from jobs.maintenance import lost_workers
from jobs.platform.ipc.process_tree import is_alive
from jobs.platform.postgres.outages import is_unavailable
from jobs.runs import lease
from jobs.runs.claimed_run import Claim
from jobs.runs.lease import Held

logger = logging.getLogger("jobs.engine")

TICK = 0.5  # seconds


class Heartbeat:
    def __init__(self, worker_table: WorkerTable) -> None:
        self._worker_table = worker_table
        self._claimed: dict[uuid.UUID, tuple[uuid.UUID, float]] = {}  # run → token, since when
        self._lock = threading.Lock()
        self._renewed = 0.0
        self._is_stopping = False
        # Not a daemon: the pusher's process ends with this thread (4).
        self._thread = threading.Thread(target=self._run, name="heartbeat")

    def start(self) -> None:
        self._worker_table.resume()
        self._thread.start()

    def add(self, claims: Iterable[Claim]) -> bool:
        """False if the cluster stops: give them back."""
        with self._lock:
            if not self._is_stopping:
                self._claimed |= {claim.run_id: (claim.token, time.monotonic()) for claim in claims}
            return not self._is_stopping

    def _run(self) -> None:
        while threading.main_thread().is_alive():
            self._tick()
            time.sleep(TICK)
        self._worker_table.stop()
        with self._lock:
            self._is_stopping = True
        self._stop_waiting()
        while any(entry.run_id for entry in self._living()):
            self._tick()
            time.sleep(TICK)
        connection.close()

    def _tick(self) -> None:
        """All leases depend on this thread, so it survives errors. It renews first: a failing death
        report costs no lease.
        """
        for do in (self._renew_in_time, self._report_dead_workers):
            try:
                do()
            except Exception as error:
                if is_unavailable(error):
                    logger.warning("The heartbeat waits for the database: %s", error)
                else:
                    logger.exception("The heartbeat failed, and tries again")
                connection.close()

    def _renew_in_time(self) -> None:
        if time.monotonic() - self._renewed > conf.lease() / 3:
            self._renew()
            self._renewed = time.monotonic()

    def _report_dead_workers(self) -> None:
        dead = {entry.pid for entry in self._worker_table.entries() if not is_alive(entry.pid)}
        for entry in self._worker_table.entries():  # again: each may have moved on
            if entry.pid not in dead:
                continue
            if entry.run_id and entry.token:
                self._report_death(entry, entry.run_id, entry.token)
            self._worker_table.forget(entry.pid)

    @staticmethod
    def _report_death(entry: WorkerEntry, run_id: uuid.UUID, token: uuid.UUID) -> None:
        """If this fails, the lease lapses, and the sweep finds the run."""
        try:
            lost_workers.record_lost_worker(run_id, token, entry.pid, entry.step)
        except Exception as error:
            if is_unavailable(error):
                raise
            logger.exception("The death of worker %d cannot be written down", entry.pid)
            connection.close()

    def _renew(self) -> None:
        self._extend(self._at_work())
        self._give_back(waiting_for=conf.lease() / 3)

    @staticmethod
    def _extend(held: Held) -> set[uuid.UUID]:
        return lease.renew(held) if held else set()

    def _give_back(self, waiting_for: float = 0.0) -> None:
        """Most of these runs have ended or wait; their token no longer matches, so nothing is
        written.
        """
        at_work, long_ago = self._at_work(), time.monotonic() - waiting_for
        with self._lock:
            old = {i: token for i, (token, since) in self._claimed.items() if since <= long_ago}
        waiting = {i: token for i, token in old.items() if i not in at_work}
        if waiting:
            lease.give_back_all(waiting, skip_locked=True)
        with self._lock:
            for run_id, token in old.items():
                if self._claimed.get(run_id, (None, 0))[0] == token:
                    del self._claimed[run_id]

    def _stop_waiting(self) -> None:
        try:
            self._give_back()
        except Exception as error:
            logger.warning("Claims that wait for a worker are left to their lease: %s", error)
            connection.close()

    def _at_work(self) -> Held:
        return {
            entry.run_id: entry.token for entry in self._living() if entry.run_id and entry.token
        }

    def _living(self) -> list[WorkerEntry]:
        return [entry for entry in self._worker_table.entries() if is_alive(entry.pid)]
