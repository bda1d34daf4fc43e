"""The django-q2 broker whose queue is the Run table.

django-q2's pusher calls `dequeue` in a loop. Claimed runs go to the workers (dispatch); django-q2
gets shifts, in which workers call `work`. A run is queued because its row is due.
"""

from __future__ import annotations

import logging
import multiprocessing
import select
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.signing import SignedPackage

from jobs import models
from jobs.cluster import django_q_adapter, pulse
from jobs.cluster.code_version import code_version
from jobs.cluster.dispatch import Dispatch
from jobs.cluster.django_q_adapter import share_without_locks, the_dispatch
from jobs.cluster.heartbeat import Keeper
from jobs.cluster.listener import Listener
from jobs.cluster.worker import SHIFT
from jobs.cluster.worker_table import Beat
from jobs.cluster.workers import Workers
from jobs.errors import Interrupted, JobsError
from jobs.execution import requeue
from jobs.fetch.gateway import Gateway
from jobs.lib.error_report import class_path, text_of
from jobs.maintenance import cron, sweeper, turn_repair
from jobs.metrics import rollups
from jobs.platform.ipc import process_tree
from jobs.platform.postgres import notifier, query_log, statements
from jobs.platform.postgres.outages import is_unavailable
from jobs.registry import rows
from jobs.runs import parking, queue
from jobs.runs.queue import look
from jobs.runs.unclaimable import set_first_aside

logger = logging.getLogger("jobs.engine")

POLL = 1.0  # seconds from an error to the next try, and until a stop is noticed
SHORTEST = 0.02  # another cluster is looking at the runs that were not taken
HANDFUL = 0.01  # seconds to collect notifications while workers are busy
HEARTBEAT = 2.0
PARKING = 0.5  # seconds between two attempts to park runs
MENDING = 30.0
COUNTING = 5.0  # seconds between two counts of what has ended
KEPT = 60  # seconds that a connection lives at least
STAT_LIFETIME = 10  # seconds


class RunBroker(Broker):
    """One per process; the pusher's does the work."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        share_without_locks()
        self._worker = process_tree.name()
        self._shift = SignedPackage.dumps(SHIFT | {"started": timezone.now()})
        self._gateway: Gateway | None = None
        self._keeper: Keeper | None = None
        self._listener = Listener()
        self._is_set_up = False  # the pusher's connection
        self._may_be_more = True  # due runs, perhaps
        self._parked = 0.0
        self._may_park = True  # due runs behind others in a line, perhaps
        self._is_careful = False  # the last look failed: claim one run at a time (dequeue)
        self._claimed = 0.0
        self._swept = 0.0
        self._mended = 0.0
        self._counted = 0.0
        self._told = 0.0

    def ping(self) -> bool:
        """The sentinel's first call, before it forks."""
        if multiprocessing.parent_process() is not None:
            process_tree.end_with_main()
            process_tree.die_with_sentinel()
            process_tree.leave_stopping_to_main()
            query_log.keep_none()
            statements.keep_connections(KEPT)
        return True

    # --- the pusher -----------------------------------------------------------------------------

    def dequeue(self) -> list[tuple[str, str]] | None:
        """Shifts as django-q2 tasks; None after a wait without any.

        An error would end the pusher. So it is logged, written into the cluster's row (standstill),
        and the pusher tries again. A run at which the look fails is set aside alone.
        """
        try:
            tasks = self._look_once()
            self._beat()
            return tasks
        except Exception as error:
            self._wait_after(error)
        return None

    def _look_once(self) -> list[tuple[str, str]] | None:
        gateway, keeper, dispatch = self._open()
        self._sweep()
        room = dispatch.room
        if not room:
            self._wait_for_room(gateway, dispatch)
        elif not self._may_be_more:
            self._wait_for_runs(gateway, dispatch)
        else:
            self._claim(1 if self._is_careful else room, keeper, dispatch)
        return [("shift", self._shift)] * dispatch.missing_shifts or None

    def _claim(self, room: int, keeper: Keeper, dispatch: Dispatch) -> None:
        claims, self._may_be_more = look(room, self._worker)
        keeper.add(claims)
        for claim in claims:
            self._claimed = time.monotonic()
            try:
                dispatch.put([claim])
            except Exception as error:
                logger.exception("Run %s cannot be given to a worker", claim.run_id)
                requeue.requeue(claim, Interrupted(error, is_own=True))
        self._is_careful &= self._may_be_more

    def _wait_after(self, error: Exception) -> None:
        self._is_set_up, self._may_be_more = False, True
        self._listener.close()
        if is_unavailable(error):
            logger.warning("The cluster waits for the database: %s", error)
        else:
            logger.exception("The pusher could not look for due runs")
            if self._is_careful:
                self._set_first_aside(error)
            self._is_careful = True
        self._beat(f"{class_path(error)}: {text_of(error)}")
        connection.close()
        time.sleep(POLL)

    @staticmethod
    def _set_first_aside(error: Exception) -> None:
        try:
            set_first_aside(error)
        except Exception:
            logger.exception("The run at which the look fails cannot be set aside")

    def _beat(self, problem: str = "") -> None:
        looked = django_q_adapter.board.last_beat().looked if problem else time.monotonic()
        in_flight = self._gateway.in_flight if self._gateway is not None else 0
        django_q_adapter.board.beat(Beat(looked, self._claimed, problem, in_flight))

    def _open(self) -> tuple[Gateway, Keeper, Dispatch]:
        """Set up the pusher's connection.

        1. Its commits (leases, sweeps, ticks) do not wait for the disk. A crash of the database
           undoes each as a whole, and the pusher repeats it. No process builds on a lost one: a
           later commit that waits takes earlier ones along.
        2. It reads by index.
        3. Behind a pool both hold for the engine's statements (pooled_pipeline, 5).
        """
        if not self._is_set_up:
            statements.read_by_index()
            statements.do_not_wait_for_the_disk()
            self._is_set_up = True
        self._may_be_more |= self._listener.open()
        if self._gateway is None or self._keeper is None:
            self._alone("to write down its functions", rows.sync)
            self._alone("to write down its cron triggers", cron.sync)
            self._keeper = Keeper(django_q_adapter.board)
            workers = Workers(self._worker, the_dispatch(), self._keeper)
            self._gateway = Gateway(
                django_q_adapter.board.requests, django_q_adapter.board.runs, workers
            )
            self._gateway.start()
            self._keeper.start()
        return self._gateway, self._keeper, the_dispatch()

    def _wait_for_runs(self, gateway: Gateway, dispatch: Dispatch) -> None:
        listener = self._listener
        deadline = time.monotonic() + max(queue.next_due(listener.poll), SHORTEST)
        while not self._is_told_of_a_run(gateway):
            patience = min(deadline, listener.again) - time.monotonic()
            if listener.is_to_look_again() or patience <= 0:
                self._may_be_more = True
                return
            self._poll(
                patience,
                *listener.readers,
                django_q_adapter.board.runs.reader,
                dispatch.call.reader,
            )
            if dispatch.call.silence():
                return

    def _wait_for_room(self, gateway: Gateway, dispatch: Dispatch) -> None:
        """Wait until workers need claims or shifts. Notifications, endless under load, are read in
        batches meanwhile, for the gateway and other clusters. Due runs may be parked."""
        self._park()
        told = *self._listener.readers, django_q_adapter.board.runs.reader
        bells = dispatch.bell.reader, dispatch.call.reader
        if not self._poll(POLL, *told, *bells).intersection(bells):
            self._poll(HANDFUL, *bells)
        dispatch.bell.silence()
        dispatch.call.silence()
        self._is_told_of_a_run(gateway)

    def _park(self) -> None:
        """Not too often: parking takes the locks of many lines, and workers wait for them."""
        if self._may_park and time.monotonic() - self._parked > PARKING:
            self._parked = time.monotonic()
            self._may_park = parking.park_due()

    @staticmethod
    def _poll(patience: float, *descriptors: int) -> set[int]:
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(patience * 1000)}

    def _is_told_of_a_run(self, gateway: Gateway) -> bool:
        is_rung = django_q_adapter.board.runs.silence()
        if is_rung:
            self._listener.tell_others()
        words = self._listener.hear()
        if words - {notifier.RUN_DUE}:
            gateway.wake()
        is_told = is_rung or bool(words)
        self._may_be_more |= is_told
        self._may_park |= is_told
        return is_told

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > HEARTBEAT:
            self._swept = time.monotonic()
            self._alone("to sweep", sweeper.sweep)
            self._alone("to tick", cron.tick)
        if time.monotonic() - self._mended > MENDING:
            self._mended = time.monotonic()
            self._alone("to mend lines", turn_repair.mend_lines)
        if time.monotonic() - self._counted > COUNTING:
            self._counted = time.monotonic()
            self._alone("to count what has ended", rollups.roll_up)

    @staticmethod
    def _alone(what: str, do: Callable[[], object]) -> None:
        """Its failure is logged and stops nothing else."""
        try:
            do()
        except Exception as error:
            if is_unavailable(error):
                raise
            logger.exception("The pusher failed %s", what)

    # --- what the sentinel says of the cluster ----------------------------------------------------

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Store django-q2's status in a row, which all machines see. The last one, that the cluster
        has stopped, is always stored: without it the cluster has died."""
        stat = SignedPackage.loads(value)
        has_stopped = stat.status == Conf.STOPPED
        if time.monotonic() - self._told < HEARTBEAT and not has_stopped:
            return
        self._told = time.monotonic()
        said = {
            "host": socket.gethostname(),
            "stat": value,
            "pulse": pulse.pulse_of(django_q_adapter.board, int(Conf.WORKERS), stat),
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
        return models.Run.objects.filter(due_at__lte=Now()).count()

    def lock_size(self) -> int:
        return models.Run.objects.filter(lease_until__isnull=False).count()

    def info(self) -> str:
        return "MelodyMaker jobs"

    @staticmethod
    def get_cache() -> None:
        return None


def _alive() -> Any:
    return models.Cluster.objects.filter(seen_at__gt=Now() - timedelta(seconds=STAT_LIFETIME))
