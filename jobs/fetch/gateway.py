"""HTTP in flight: a greenlet per request, not a worker, transaction or connection each.

Each pusher runs a gateway. Its coordinator, a thread with the only database connection, leases
pending requests for the greenlet loop and stores the responses, which makes their runs due.

1. A lone response is stored at once. Those that arrive meanwhile, and all while workers are busy,
   go together. Runs go to this cluster's workers if these have room (outbox, 4).
2. It stores, renews, then leases, so as not to lease its own requests again (outbox, 3). If a lease
   lapsed in a standby, the request in flight answers for the one leased again.
3. It looks when a worker of its cluster wakes it (busy workers' requests are batched), when a place
   frees, and once a tick for requests of full gateways elsewhere.
4. The limits, of all and per host, are this cluster's own.
"""

from __future__ import annotations

import contextlib
import logging
import select
import threading
import time
import uuid
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection, transaction

from jobs import conf
from jobs.errors import FetchCode
from jobs.fetch.leased_request import CompletedRequest, LeasedRequest
from jobs.fetch.outbox import (
    lease_requests,
    perform_now,
    release,
    remember_result_url,
    renew,
    store_responses,
)
from jobs.fetch.worker_pool import NoWorkerPool, WorkerPool
from jobs.lib.error_report import describe, fit_text, is_a
from jobs.platform.http.client import perform
from jobs.platform.http.exchange import RequestOutcome
from jobs.platform.http.file_limit import make_room
from jobs.platform.http.greenlet_loop import GreenletExit, GreenletLoop, wait_future
from jobs.platform.ipc.wakeup import Wakeup
from jobs.platform.postgres import statements
from jobs.platform.postgres.outages import is_unavailable
from jobs.runs.claimed_run import Claim

__all__ = ["Gateway", "LeasedRequest", "lease_requests", "perform_now", "store_responses"]

logger = logging.getLogger("jobs.engine")

TICK = 1.0  # seconds between looks without a wakeup
BATCH_WINDOW = 0.01  # seconds at least between looks
ANSWER_WINDOW = 0.025  # seconds between writes while workers are busy
MAX_WINDOW = 0.1  # seconds; either window while the workers have enough to do for twice as long
RETRY = 0.2  # seconds between tries to reach the database
BATCH = 200
BATCH_BYTES = 8 * 1024 * 1024  # of responses in one statement, or a single larger one
SPARE = 200  # descriptors for everything but requests
MAX_PROBLEM = 1_000  # characters
REMEMBERED_WITHIN = 10.0  # seconds to wait until a result URL is stored


@dataclass(frozen=True, slots=True)
class ResultUrl:
    leased_request: LeasedRequest
    url: str
    written: Future[None]


class Gateway:
    """The cluster's processes notify `requests`; the gateway notifies `runs`."""

    def __init__(
        self,
        requests: Wakeup | None = None,
        runs: Wakeup | None = None,
        workers: WorkerPool | None = None,
    ) -> None:
        self.limit, self.per_host = conf.gateway_limit(), conf.gateway_per_host()
        self._requests, self._runs = requests or Wakeup(), runs or Wakeup()
        self._workers = workers or NoWorkerPool()
        self._inbox: deque[ResultUrl | CompletedRequest] = deque()
        self._arrivals = Wakeup()
        self._urls: list[ResultUrl] = []
        self._completed: list[CompletedRequest] = []
        self._in_flight: dict[uuid.UUID, LeasedRequest] = {}  # the leases to renew
        self._hosts: Counter[str] = Counter()  # requests in flight per host
        self._next_look_at = self._looked = self._renewed = self._wrote = 0.0
        self._is_away = False
        self._loop = GreenletLoop(self._perform)
        # Not a daemon: the pusher lets it store requests in flight.
        self._thread = threading.Thread(target=self._coordinate, name="gateway")

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def start(self) -> None:
        # Connections per host are kept.
        make_room(self.per_host * max(len(conf.allowed_hosts()), 1) + SPARE)
        self._loop.start()
        self._thread.start()

    def wake(self) -> None:
        self._requests.notify()

    def _post(self, message: ResultUrl | CompletedRequest) -> None:
        """The coordinator empties the inbox when it wakes: only the first message must notify."""
        self._inbox.append(message)
        if len(self._inbox) == 1:
            self._arrivals.notify()

    def _coordinate(self) -> None:
        while threading.main_thread().is_alive():
            self._round(sending=True)
        patience = time.monotonic() + conf.gateway_grace()
        while self._in_flight and time.monotonic() < patience:
            self._round(sending=False)
        self._release_all()
        connection.close()

    def _round(self, *, sending: bool) -> None:
        self._collect(self._next_look_at - time.monotonic() if sending else TICK)
        try:
            statements.read_by_index()
            self._write()
            self._renew()
            if sending:
                self._send_pending()
            self._is_away = False
        except Exception as error:
            self._wait_after(error)

    def _wait_after(self, error: Exception) -> None:
        """All requests in flight depend on this thread, so no error ends it."""
        if not is_unavailable(error):
            logger.exception("The gateway failed, and tries again")
        elif not self._is_away:
            logger.warning("The gateway waits for the database: %s", error)
        self._is_away, self._next_look_at = True, 0.0
        connection.close()
        time.sleep(RETRY)

    def _collect(self, patience: float) -> None:
        if self._completed:
            patience = min(patience, self._write_at - time.monotonic())
        if not self._urls:
            self._listen(max(patience, 0.0))
        if self._requests.consume():
            self._next_look_at = min(self._next_look_at, self._looked + self._window(BATCH_WINDOW))
        self._arrivals.consume()  # before reading the inbox: a later message notifies again
        while self._inbox:
            message = self._inbox.popleft()
            if isinstance(message, ResultUrl):
                self._urls.append(message)
            else:
                self._completed.append(message)

    @property
    def _write_at(self) -> float:
        return self._wrote + self._window(ANSWER_WINDOW) if self._workers.is_busy else 0.0

    def _window(self, least: float) -> float:
        """The more waits for the workers, the more goes together; half of it keeps them busy."""
        return max(least, min(self._workers.backlog_seconds / 2, MAX_WINDOW))

    def _listen(self, patience: float) -> None:
        poll = select.poll()
        if not self._completed:  # else they are written in batches
            poll.register(self._arrivals.reader, select.POLLIN)
        if self._next_look_at > self._looked + MAX_WINDOW:  # else it looks soon anyway
            poll.register(self._requests.reader, select.POLLIN)
        poll.poll(patience * 1000)

    def _write(self) -> None:
        with transaction.atomic() if self._urls[1:] else contextlib.nullcontext():
            for message in self._urls:
                remember_result_url(message.leased_request, message.url)
        for message in self._urls:
            message.written.set_result(None)
        self._urls.clear()
        if self._completed and time.monotonic() >= self._write_at:
            self._wrote = time.monotonic()
            self._store_completed()

    def _store_completed(self) -> None:
        while batch := self._completed[: _within_limits(self._completed)]:
            self._store(batch)
            for leased_request, _ in batch:
                self._forget_request(leased_request)
            del self._completed[: len(batch)]

    def _store(self, batch: list[CompletedRequest]) -> None:
        """All at once; if no row can hold one, each by itself."""
        try:
            claims, some_are_due = store_responses(
                batch, self._workers.free_slots, self._workers.name
            )
        except Exception as error:
            if is_unavailable(error) or is_a(error, OperationalError):
                raise
            if batch[1:]:
                for pair in batch:
                    self._store([pair])
                return
            ((leased_request, _),) = batch
            logger.exception("An answer for run %s cannot be stored", leased_request.run_id)
            unfit = _broken(FetchCode.UNUSABLE, "the answer cannot be stored", error)
            claims, some_are_due = store_responses([(leased_request, unfit)])
        if claims:
            self._give_to_workers(claims)
        if some_are_due:
            self._runs.notify()

    def _give_to_workers(self, claims: list[Claim]) -> None:
        """If this fails, the runs' leases lapse."""
        try:
            self._workers.accept(claims)
        except Exception:
            logger.exception("%d runs could not be given to the workers", len(claims))

    def _forget_request(self, leased_request: LeasedRequest) -> None:
        if self._hosts.total() >= self.limit or self._hosts[leased_request.host] >= self.per_host:
            self._next_look_at = 0.0
        if self._in_flight.get(leased_request.id) is leased_request:
            del self._in_flight[leased_request.id]
        self._hosts[leased_request.host] -= 1
        if not self._hosts[leased_request.host]:
            del self._hosts[leased_request.host]

    def _renew(self) -> None:
        if self._in_flight and time.monotonic() - self._renewed > conf.lease() / 3:
            renew(list(self._in_flight.values()))
            self._renewed = time.monotonic()

    def _send_pending(self) -> None:
        if time.monotonic() < self._next_look_at:
            return
        self._looked = time.monotonic()
        self._next_look_at = self._looked + TICK
        room = min(self.limit - self._hosts.total(), BATCH)
        if room <= 0:
            return
        leased_requests = lease_requests(room, self.per_host, self._hosts)
        for leased_request in leased_requests:
            earlier = self._in_flight.get(leased_request.id)
            if earlier is None or not earlier.adopt_lease(leased_request):
                self._in_flight[leased_request.id] = leased_request
                self._hosts[leased_request.host] += 1
                self._loop.send(leased_request)
        if len(leased_requests) == room:
            self._next_look_at = 0.0

    def _perform(self, leased_request: LeasedRequest) -> None:
        def remember(url: str) -> None:
            message = ResultUrl(leased_request, url, Future())
            self._post(message)
            with contextlib.suppress(TimeoutError):
                wait_future(message.written, REMEMBERED_WITHIN)

        try:
            outcome = perform(leased_request.request, remember)
        except GreenletExit:
            raise
        except BaseException as error:  # the waiting run is told of any error
            logger.exception(
                "A request of run %s broke the gateway's own code", leased_request.run_id
            )
            outcome = _broken(FetchCode.INTERNAL, "the gateway itself broke", error)
        self._post((leased_request, outcome))

    def _release_all(self) -> None:
        """Another cluster sends the rest again, or asks at their result URL."""
        if self._in_flight:
            logger.warning("%d requests in flight are requeued.", len(self._in_flight))
            with contextlib.suppress(DatabaseError, InterfaceError):
                release(list(self._in_flight.values()))


def _within_limits(completed: list[CompletedRequest]) -> int:
    size = 0
    for count, (_, outcome) in enumerate(completed[:BATCH]):
        size += outcome.head.get("bytes", 0)
        if count and size > BATCH_BYTES:
            return count
    return BATCH


def _broken(code: FetchCode, what: str, error: BaseException) -> RequestOutcome:
    told = describe(error)
    message = fit_text(f"{what}: {told['name']}: {told['message']}", MAX_PROBLEM)
    return RequestOutcome.failed(code, message)
