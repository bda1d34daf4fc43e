"""The pusher's process: it claims due runs, sweeps and ticks.

django-q2 calls `dequeue` in a loop, and gets the shifts in which workers call `work` (see
dispatch).
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable

from django.db import connection
from django.utils import timezone
from django_q.signing import SignedPackage

from jobs.cluster import shared
from jobs.cluster.dispatch import Dispatch
from jobs.cluster.heartbeat import Heartbeat
from jobs.cluster.listener import Listener
from jobs.cluster.worker import SHIFT
from jobs.cluster.worker_pool import ClusterWorkerPool
from jobs.cluster.worker_table import PusherStatus
from jobs.errors import Interrupted
from jobs.execution import requeue
from jobs.fetch.gateway import Gateway
from jobs.lib.error_report import class_path, text_of
from jobs.maintenance import cron, sweeper, turn_repair
from jobs.metrics import rollups
from jobs.platform.ipc import process_tree
from jobs.platform.postgres import notifier, statements
from jobs.platform.postgres.outages import is_unavailable
from jobs.registry import rows
from jobs.runs import claiming, parking
from jobs.runs.claiming import claim_batch
from jobs.runs.unclaimable import set_first_aside

logger = logging.getLogger("jobs.engine")

POLL = 1.0  # seconds after an error, and until a stop is noticed
MIN_WAIT = 0.02  # another cluster looks at runs not taken
BATCH_WINDOW = 0.01  # seconds to collect notifications while workers are busy
SWEEP_INTERVAL = 2.0  # seconds
PARK_INTERVAL = 0.5  # seconds
REPAIR_INTERVAL = 30.0
ROLLUP_INTERVAL = 5.0  # seconds between counts of what has ended


class Pusher:
    def __init__(self) -> None:
        self._worker_table = shared.of_this_cluster().worker_table
        self._worker = process_tree.worker_name()
        self._shift = SignedPackage.dumps(SHIFT | {"started": timezone.now()})
        self._gateway: Gateway | None = None
        self._heartbeat: Heartbeat | None = None
        self._listener = Listener()
        self._is_set_up = False
        self._may_be_more = True  # due runs, as far as known
        self._parked = 0.0
        self._may_park = True  # due runs behind others in a line, as far as known
        self._is_careful = False  # the last look failed: look at runs one by one
        self._claimed = 0.0
        self._swept = 0.0
        self._repaired = 0.0
        self._counted = 0.0

    def dequeue(self) -> list[tuple[str, str]] | None:
        """Shifts as django-q2 tasks.

        An error would end the pusher. So it is logged and written into the cluster's row
        (standstill), and the pusher tries again. A run at which looks fail is set aside alone.
        """
        try:
            tasks = self._claim_or_wait()
            self._report_status()
            return tasks
        except Exception as error:
            self._wait_after(error)
        return None

    def _claim_or_wait(self) -> list[tuple[str, str]] | None:
        gateway, heartbeat, dispatch = self._open()
        self._sweep()
        free_slots = dispatch.free_slots
        if free_slots and not self._may_be_more:
            self._wait_for_runs(gateway, dispatch)
        if not free_slots:
            self._wait_for_room(gateway, dispatch)
        elif self._may_be_more:
            self._claim(1 if self._is_careful else free_slots, heartbeat, dispatch)
        return [("shift", self._shift)] * dispatch.missing_shifts or None

    def _claim(self, free_slots: int, heartbeat: Heartbeat, dispatch: Dispatch) -> None:
        claims, self._may_be_more = claim_batch(free_slots, self._worker)
        dispatch.more_are_due = self._may_be_more
        self._listener.looked(has_found=bool(claims))
        heartbeat.add(claims)
        for claim in claims:
            self._claimed = time.monotonic()
            try:
                dispatch.put_due([claim])
            except Exception as error:
                logger.exception("Run %s cannot be given to a worker", claim.run_id)
                requeue.requeue(claim, Interrupted(error, is_own=True))
                self._set_up_anew()  # it has dropped the connection
        self._is_careful &= self._may_be_more

    def _set_up_anew(self) -> None:
        self._is_set_up, self._may_be_more = False, True
        self._listener.close()

    def _wait_after(self, error: Exception) -> None:
        self._set_up_anew()
        if is_unavailable(error):
            logger.warning("The cluster waits for the database: %s", error)
        else:
            logger.exception("The pusher could not look for due runs")
            if self._is_careful:
                self._set_first_aside(error)
            self._is_careful = True
        self._report_status(f"{class_path(error)}: {text_of(error)}")
        connection.close()
        time.sleep(POLL)

    @staticmethod
    def _set_first_aside(error: Exception) -> None:
        try:
            set_first_aside(error)
        except Exception:
            logger.exception("The run at which the look fails cannot be set aside")

    def _report_status(self, problem: str = "") -> None:
        looked = self._worker_table.pusher_status().looked if problem else time.monotonic()
        in_flight = self._gateway.in_flight if self._gateway is not None else 0
        self._worker_table.report_status(PusherStatus(looked, self._claimed, problem, in_flight))

    def _open(self) -> tuple[Gateway, Heartbeat, Dispatch]:
        """Of the pusher's connection:

        1. Its commits (leases, sweeps, ticks) do not wait for the disk. A crash of the database
           undoes each as a whole, and the pusher repeats it. A later commit that waits takes
           earlier ones along, so no process builds on a lost one.
        2. It reads by index.
        3. Behind a pool both hold for the engine's statements (pooled_pipeline, 5).
        """
        dispatch = shared.of_this_cluster().dispatch
        if not self._is_set_up:
            statements.read_by_index()
            statements.disable_synchronous_commit()
            self._is_set_up = True
        self._may_be_more |= self._listener.open()
        if self._gateway is None or self._heartbeat is None:
            self._guarded("to write down its functions", rows.sync)
            self._guarded("to write down its cron triggers", cron.sync)
            self._heartbeat = Heartbeat(self._worker_table)
            workers = ClusterWorkerPool(self._worker, self._worker_table, dispatch, self._heartbeat)
            self._gateway = Gateway(self._worker_table.requests, self._worker_table.runs, workers)
            self._gateway.start()
            self._heartbeat.start()
        return self._gateway, self._heartbeat, dispatch

    def _wait_for_runs(self, gateway: Gateway, dispatch: Dispatch) -> None:
        listener = self._listener
        deadline = time.monotonic() + max(claiming.next_due(listener.poll), MIN_WAIT)
        while not self._is_to_look(gateway):
            patience = min(deadline, listener.next_look) - time.monotonic()
            if listener.is_to_look_again() or patience <= 0:
                self._may_be_more = True
                return
            self._poll(
                patience,
                *listener.readers,
                self._worker_table.runs.reader,
                dispatch.workers_missing.reader,
            )
            if dispatch.workers_missing.consume():
                return

    def _wait_for_room(self, gateway: Gateway, dispatch: Dispatch) -> None:
        """Notifications, endless under load, are read in batches, for the gateway and other
        clusters.
        """
        self._park()
        if self._listener.want_words():
            self._may_be_more = True
            self._listener.notify_others()
        told = *self._listener.readers, self._worker_table.runs.reader
        wakeups = dispatch.claims_low.reader, dispatch.workers_missing.reader
        if not self._poll(POLL, *told, *wakeups).intersection(wakeups):
            self._poll(BATCH_WINDOW, *wakeups)
        dispatch.claims_low.consume()
        dispatch.workers_missing.consume()
        self._hear(gateway)

    def _park(self) -> None:
        """Rarely: workers wait for its locks."""
        if self._may_park and time.monotonic() - self._parked > PARK_INTERVAL:
            self._parked = time.monotonic()
            self._may_park = parking.park_due()

    @staticmethod
    def _poll(patience: float, *descriptors: int) -> set[int]:
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(patience * 1000)}

    def _is_to_look(self, gateway: Gateway) -> bool:
        is_notified, is_told = self._hear(gateway)
        return is_notified or (is_told and self._listener.may_look())

    def _hear(self, gateway: Gateway) -> tuple[bool, bool]:
        """Whether a process of this cluster, and whether another, tells of a run."""
        is_notified = self._worker_table.runs.consume()
        if is_notified:
            self._listener.notify_others()
        words = self._listener.hear()
        if words - {notifier.RUN_DUE}:
            gateway.wake()
        if is_notified or words:
            self._may_be_more = self._may_park = True
        return is_notified, bool(words)

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > SWEEP_INTERVAL:
            self._swept = time.monotonic()
            self._guarded("to sweep", sweeper.sweep)
            self._guarded("to tick", cron.tick)
        if time.monotonic() - self._repaired > REPAIR_INTERVAL:
            self._repaired = time.monotonic()
            self._guarded("to repair turns", turn_repair.repair_turns)
        if time.monotonic() - self._counted > ROLLUP_INTERVAL:
            self._counted = time.monotonic()
            self._guarded("to count what has ended", rollups.roll_up)

    @staticmethod
    def _guarded(what: str, do: Callable[[], object]) -> None:
        try:
            do()
        except Exception as error:
            if is_unavailable(error):
                raise
            logger.exception("The pusher failed %s", what)
