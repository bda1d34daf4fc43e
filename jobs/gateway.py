"""HTTP in flight: a thread each, never a worker, a transaction or a database connection each.

The gateway lives in every cluster's pusher process. Its coordinator, a thread with the only
database connection here, takes pending requests under leases, hands each to a thread of a pool,
and writes what comes back in batches, which makes the waiting runs due.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection, transaction

from jobs import conf
from jobs.descriptors import make_room
from jobs.events import wake_clusters, wake_runs
from jobs.transport import Outcome, Request, perform

logger = logging.getLogger("jobs.engine")

TICK = 1.0  # seconds between two looks at the table when nobody calls
BATCH = 200
SPARE = 200  # descriptors for all that is not a request
REMEMBERED_WITHIN = 10.0  # seconds that a thread waits for its result URL to be written

TAKE = """
UPDATE jobs_fetch SET status = 'sending', lease_token = %(token)s,
       lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
       sent_at = clock_timestamp()
 WHERE id IN (SELECT id FROM jobs_fetch WHERE status = 'pending'
               ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, run_id, step_name, method, url, headers, body, timeout, result_url
"""

RENEW = """
UPDATE jobs_fetch SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
 WHERE id = ANY(%(ids)s) AND lease_token = ANY(%(tokens)s)
"""

RELEASE = """
UPDATE jobs_fetch SET status = 'pending', lease_token = NULL, lease_until = NULL
 WHERE id = ANY(%(ids)s) AND lease_token = ANY(%(tokens)s)
"""

LAND = """
UPDATE jobs_fetch SET status = %(status)s, response = %(summary)s, error = %(error)s,
       ended_at = clock_timestamp(), lease_token = NULL, lease_until = NULL
 WHERE id = %(id)s AND lease_token = %(token)s
"""

ANSWER = "UPDATE jobs_step SET output = %s WHERE run_id = %s AND name = %s AND status = 'running'"


@dataclass(frozen=True, slots=True)
class Flight:
    """A request that this gateway has in the air."""

    id: uuid.UUID
    run_id: uuid.UUID
    step_name: str
    token: uuid.UUID
    request: Request


def take(limit: int) -> list[Flight]:
    """Lease up to `limit` pending requests, oldest first."""
    token = uuid.uuid4()
    with connection.cursor() as cursor:
        lease = conf.lease()
        cursor.execute(TAKE, {"token": token, "lease": lease, "limit": limit})
        rows = cursor.fetchall()
    return [
        Flight(
            id=row[0],
            run_id=row[1],
            step_name=row[2],
            token=token,
            request=Request(
                method=row[3],
                url=row[4],
                headers=json.loads(row[5]) if isinstance(row[5], str) else row[5],
                body=row[6],
                timeout=row[7],
                result_url=row[8],
            ),
        )
        for row in rows
    ]


def land(landed: Sequence[tuple[Flight, Outcome]]) -> None:
    """Write what came back and make the runs due, in one transaction.

    An outcome whose lease was lost meanwhile is dropped: another gateway has the request now.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        runs = []
        for flight, outcome in landed:
            cursor.execute(LAND, _landing(flight, outcome))
            if cursor.rowcount != 1:
                logger.warning("An answer for run %s came too late and is dropped.", flight.run_id)
                continue
            if outcome.answer is not None:
                answer = json.dumps(outcome.answer)
                cursor.execute(ANSWER, [answer, flight.run_id, flight.step_name])
            runs.append(flight.run_id)
        wake_runs(runs)


def _landing(flight: Flight, outcome: Outcome) -> dict[str, Any]:
    return {
        "id": flight.id,
        "token": flight.token,
        "status": "answered" if outcome.error is None else "failed",
        "summary": json.dumps(outcome.summary) if outcome.error is None else None,
        "error": json.dumps(outcome.error) if outcome.error is not None else None,
    }


def remember_result_url(flight: Flight, url: str) -> None:
    """Where the answer will be: whoever takes the request next asks there and sends nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_fetch SET result_url = %s WHERE id = %s AND lease_token = %s",
            [url, flight.id, flight.token],
        )


def renew(flights: Sequence[Flight]) -> None:
    """Say that these are still in the air."""
    with connection.cursor() as cursor:
        tokens = list({flight.token for flight in flights})
        ids = [flight.id for flight in flights]
        cursor.execute(RENEW, {"lease": conf.lease(), "ids": ids, "tokens": tokens})


def release(flights: Sequence[Flight]) -> None:
    """Let another gateway take these at once."""
    with connection.cursor() as cursor:
        tokens = list({flight.token for flight in flights})
        cursor.execute(RELEASE, {"ids": [flight.id for flight in flights], "tokens": tokens})
    wake_clusters()


def fly(flight: Flight) -> Outcome:
    """Make the request here and now, in this thread and on its connection (for tests and tools)."""
    return perform(flight.request, lambda url: remember_result_url(flight, url))


@dataclass(frozen=True, slots=True)
class _ResultUrl:
    flight: Flight
    url: str
    written: threading.Event


@dataclass(frozen=True, slots=True)
class _Landed:
    flight: Flight
    outcome: Outcome


class Gateway:
    """The coordinator, and the requests that are in the air."""

    def __init__(self) -> None:
        self.limit = conf.gateway_limit()
        self._inbox: queue.SimpleQueue[_ResultUrl | _Landed | None] = queue.SimpleQueue()
        self._air: dict[uuid.UUID, Flight] = {}
        self._renewed = 0.0
        # Not a daemon: the pusher's process lets it land what is in the air.
        self._thread = threading.Thread(target=self._coordinate, name="gateway")

    def start(self) -> None:
        make_room(self.limit * max(len(conf.allowed_hosts()), 1) + SPARE)  # each host keeps its own
        self._thread.start()

    def wake(self) -> None:
        """Have a look: something was sent."""
        self._inbox.put(None)

    def _coordinate(self) -> None:
        """Write what landed, let go what is pending, vouch for what is in the air; in the end,
        wait a while for what is in the air and hand the rest on."""
        while threading.main_thread().is_alive():
            self._round(departing=True)
        patience = time.monotonic() + conf.gateway_grace()
        while self._air and time.monotonic() < patience:
            self._round(departing=False)
        self._hand_on()
        connection.close()

    def _round(self, *, departing: bool) -> None:
        messages = self._messages()
        try:
            self._write(messages)
            if departing:
                self._depart()
            if self._air and time.monotonic() - self._renewed > conf.lease() / 3:
                renew(list(self._air.values()))
                self._renewed = time.monotonic()
        except DatabaseError as error:
            logger.warning("The gateway waits for the database: %s", error)
            connection.close()
            for message in messages:
                self._inbox.put(message)
            time.sleep(TICK)

    def _messages(self) -> list[_ResultUrl | _Landed]:
        """What has happened since the last look, a whole batch of it; waits up to a tick."""
        messages: list[_ResultUrl | _Landed] = []
        with contextlib.suppress(queue.Empty):
            message = self._inbox.get(timeout=TICK)
            while len(messages) < BATCH:
                if message is not None:
                    messages.append(message)
                message = self._inbox.get_nowait()
        return messages

    def _write(self, messages: list[_ResultUrl | _Landed]) -> None:
        for message in messages:
            if isinstance(message, _ResultUrl):
                remember_result_url(message.flight, message.url)
                message.written.set()
        landed = [(m.flight, m.outcome) for m in messages if isinstance(m, _Landed)]
        if landed:
            land(landed)
            for flight, _ in landed:
                self._air.pop(flight.id, None)

    def _depart(self) -> None:
        room = self.limit - len(self._air)
        while room > 0:
            flights = take(min(room, BATCH))
            for flight in flights:
                self._air[flight.id] = flight
                threading.Thread(target=self._fly, args=(flight,), daemon=True).start()
            room -= len(flights)
            if len(flights) < BATCH:
                return

    def _fly(self, flight: Flight) -> None:
        def remember(url: str) -> None:
            written = threading.Event()
            self._inbox.put(_ResultUrl(flight, url, written))
            written.wait(REMEMBERED_WITHIN)

        try:
            outcome = perform(flight.request, remember)
        except Exception as error:
            logger.exception("A request of run %s broke the gateway's own code", flight.run_id)
            outcome = Outcome(error={"message": f"{type(error).__name__}: {error}"})
        self._inbox.put(_Landed(flight, outcome))

    def _hand_on(self) -> None:
        """Requests that are still in the air are another cluster's now: it sends them again, under
        the same Idempotency-Key, or asks at their result URL."""
        if self._air:
            logger.warning("%d requests in flight are handed on.", len(self._air))
            with contextlib.suppress(DatabaseError):
                release(list(self._air.values()))
