"""HTTP in flight: a greenlet per request, not a worker, transaction or connection each.

A gateway runs in each pusher. Its coordinator, a thread with its only database connection, leases
pending requests, hands them to the greenlet loop, and stores the responses, which makes their runs
due.

1. A lone response is stored at once; those that arrive meanwhile, and all while workers are busy,
   go together. Runs go to this cluster's workers, if these have room (outbox, 4).
2. It stores, then renews, then leases, so that it does not lease its own requests again (outbox,
   3). A standby may have lost a lease: the request in flight then answers for the one leased again.
3. It looks when a worker of its cluster rings (busy workers' requests are batched), when a place
   frees, and once a tick, for requests of full gateways elsewhere.
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
from jobs.fetch.flight import Flight, Landed
from jobs.fetch.outbox import fly, land, release, remember_result_url, renew, take
from jobs.fetch.workers import NoWorkers, Workers
from jobs.lib.error_report import describe, is_a, storable
from jobs.platform.http.client import perform
from jobs.platform.http.exchange import Outcome
from jobs.platform.http.file_limit import make_room
from jobs.platform.http.greenlet_loop import GreenletExit, Pilots, result_of
from jobs.platform.ipc.wakeup import Bell
from jobs.platform.postgres import statements
from jobs.platform.postgres.outages import is_unavailable
from jobs.runs.claim import Claim

__all__ = ["Flight", "Gateway", "fly", "land", "take"]

logger = logging.getLogger("jobs.engine")

TICK = 1.0  # seconds between two looks without a ring
HANDFUL = 0.01  # seconds between two looks at least
LARGE_HANDFUL = 0.025  # seconds between two writes while workers are busy
RETRY = 0.2  # seconds between two tries to reach the database
BATCH = 200
BATCH_BYTES = 8 * 1024 * 1024  # of responses in one statement, unless a single one is larger
SPARE = 200  # descriptors for everything but requests
LONGEST_PROBLEM = 1_000  # characters
REMEMBERED_WITHIN = 10.0  # seconds that a request waits until its result URL is stored


@dataclass(frozen=True, slots=True)
class ResultUrl:
    flight: Flight
    url: str
    written: Future[None]


class Gateway:
    """The coordinator and its requests. Processes of the cluster ring `requests`; the gateway rings
    `runs`.
    """

    def __init__(
        self,
        requests: Bell | None = None,
        runs: Bell | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.limit, self.per_host = conf.gateway_limit(), conf.gateway_per_host()
        self._requests, self._runs = requests or Bell(), runs or Bell()
        self._workers = workers or NoWorkers()
        self._inbox: deque[ResultUrl | Landed] = deque()
        self._arrivals = Bell()
        self._urls: list[ResultUrl] = []
        self._landed: list[Landed] = []
        self._air: dict[uuid.UUID, Flight] = {}  # by id: the leases to renew
        self._hosts: Counter[str] = Counter()  # requests in flight per host
        self._look_at = self._looked = self._renewed = self._wrote = 0.0
        self._is_away = False
        self._pilots = Pilots(self._fly)
        # Not a daemon: the pusher lets it store requests in flight.
        self._thread = threading.Thread(target=self._coordinate, name="gateway")

    @property
    def in_flight(self) -> int:
        return len(self._air)

    def start(self) -> None:
        # Connections per host are kept.
        make_room(self.per_host * max(len(conf.allowed_hosts()), 1) + SPARE)
        self._pilots.start()
        self._thread.start()

    def wake(self) -> None:
        self._requests.ring()

    def _tell(self, message: ResultUrl | Landed) -> None:
        """A message to the coordinator, which empties the inbox after each ring: only the first
        needs to ring.
        """
        self._inbox.append(message)
        if len(self._inbox) == 1:
            self._arrivals.ring()

    def _coordinate(self) -> None:
        while threading.main_thread().is_alive():
            self._round(departing=True)
        patience = time.monotonic() + conf.gateway_grace()
        while self._air and time.monotonic() < patience:
            self._round(departing=False)
        self._hand_on()
        connection.close()

    def _round(self, *, departing: bool) -> None:
        self._collect(self._look_at - time.monotonic() if departing else TICK)
        try:
            statements.read_by_index()
            self._write()
            self._renew()
            if departing:
                self._depart()
            self._is_away = False
        except Exception as error:
            self._wait_after(error)

    def _wait_after(self, error: Exception) -> None:
        """All requests in flight depend on this thread, so no error ends it."""
        if not is_unavailable(error):
            logger.exception("The gateway failed, and tries again")
        elif not self._is_away:
            logger.warning("The gateway waits for the database: %s", error)
        self._is_away, self._look_at = True, 0.0
        connection.close()
        time.sleep(RETRY)

    def _collect(self, patience: float) -> None:
        if self._landed:
            patience = min(patience, self._write_at - time.monotonic())
        if not self._urls:
            self._listen(max(patience, 0.0))
        if self._requests.silence():
            self._look_at = min(self._look_at, self._looked + HANDFUL)
        self._arrivals.silence()  # before reading the inbox: a later message rings again
        while self._inbox:
            message = self._inbox.popleft()
            if isinstance(message, ResultUrl):
                self._urls.append(message)
            else:
                self._landed.append(message)

    @property
    def _write_at(self) -> float:
        return self._wrote + LARGE_HANDFUL if self._workers.is_busy else 0.0

    def _listen(self, patience: float) -> None:
        poll = select.poll()
        if not self._landed:  # else they are written in batches
            poll.register(self._arrivals.reader, select.POLLIN)
        if self._look_at > self._looked + HANDFUL:  # else it looks soon anyway
            poll.register(self._requests.reader, select.POLLIN)
        poll.poll(patience * 1000)

    def _write(self) -> None:
        with transaction.atomic() if self._urls[1:] else contextlib.nullcontext():
            for message in self._urls:
                remember_result_url(message.flight, message.url)
        for message in self._urls:
            message.written.set_result(None)
        self._urls.clear()
        if self._landed and time.monotonic() >= self._write_at:
            self._wrote = time.monotonic()
            self._write_landed()

    def _write_landed(self) -> None:
        while batch := self._landed[: _within_limits(self._landed)]:
            self._land(batch)
            for flight, _ in batch:
                self._has_landed(flight)
            del self._landed[: len(batch)]

    def _land(self, batch: list[Landed]) -> None:
        """All at once; if no row can hold one, each by itself."""
        try:
            claims, some_are_due = land(batch, self._workers.room, self._workers.name)
        except Exception as error:
            if is_unavailable(error) or is_a(error, OperationalError):
                raise
            if batch[1:]:
                for pair in batch:
                    self._land([pair])
                return
            flight = batch[0][0]
            logger.exception("An answer for run %s cannot be stored", flight.run_id)
            unfit = _broken(FetchCode.UNUSABLE, "the answer cannot be stored", error)
            claims, some_are_due = land([(flight, unfit)])
        if claims:
            self._give(claims)
        if some_are_due:
            self._runs.ring()

    def _give(self, claims: list[Claim]) -> None:
        """If this fails, the runs' leases lapse."""
        try:
            self._workers.take(claims)
        except Exception:
            logger.exception("%d runs could not be given to the workers", len(claims))

    def _has_landed(self, flight: Flight) -> None:
        if self._hosts.total() >= self.limit or self._hosts[flight.host] >= self.per_host:
            self._look_at = 0.0
        if self._air.get(flight.id) is flight:
            del self._air[flight.id]
        self._hosts[flight.host] -= 1
        if not self._hosts[flight.host]:
            del self._hosts[flight.host]

    def _renew(self) -> None:
        if self._air and time.monotonic() - self._renewed > conf.lease() / 3:
            renew(list(self._air.values()))
            self._renewed = time.monotonic()

    def _depart(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._looked = time.monotonic()
        self._look_at = self._looked + TICK
        room = min(self.limit - self._hosts.total(), BATCH)
        if room <= 0:
            return
        flights = take(room, self.per_host, self._hosts)
        for flight in flights:
            earlier = self._air.get(flight.id)
            if earlier is None or not earlier.takes_over(flight):
                self._air[flight.id] = flight
                self._hosts[flight.host] += 1
                self._pilots.send(flight)
        if len(flights) == room:
            self._look_at = 0.0

    def _fly(self, flight: Flight) -> None:
        def remember(url: str) -> None:
            message = ResultUrl(flight, url, Future())
            self._tell(message)
            with contextlib.suppress(TimeoutError):
                result_of(message.written, REMEMBERED_WITHIN)

        try:
            outcome = perform(flight.request, remember)
        except GreenletExit:
            raise
        except BaseException as error:  # the waiting run is told of any error
            logger.exception("A request of run %s broke the gateway's own code", flight.run_id)
            outcome = _broken(FetchCode.INTERNAL, "the gateway itself broke", error)
        self._tell((flight, outcome))

    def _hand_on(self) -> None:
        """Another cluster sends the rest again, with the same Idempotency-Key, or asks at their
        result URL.
        """
        if self._air:
            logger.warning("%d requests in flight are handed on.", len(self._air))
            with contextlib.suppress(DatabaseError, InterfaceError):
                release(list(self._air.values()))


def _within_limits(landed: list[Landed]) -> int:
    size = 0
    for count, (_, outcome) in enumerate(landed[:BATCH]):
        size += outcome.summary.get("bytes", 0)
        if count and size > BATCH_BYTES:
            return count
    return BATCH


def _broken(code: FetchCode, what: str, error: BaseException) -> Outcome:
    told = describe(error)
    message = storable(f"{what}: {told['name']}: {told['message']}", LONGEST_PROBLEM)
    return Outcome.failed(code, message)
