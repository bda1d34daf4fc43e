"""The cluster's heartbeat: a thread in the pusher's process that vouches for what its workers hold.

1. A run that a living worker is at keeps its lease, however long the step.
2. A run whose worker is gone is handed on at once, the death written down as an attempt.
3. A claimed run that still waits for a worker keeps its lease only while all workers are busy;
   with an idle worker about, nobody will ever come for it, and its lease lapses.
4. When the cluster is told to stop, what waits is given back at once, and the keeper goes on
   until the last worker has put its run down: django-q2's pusher, and so its sentinel, waits for
   this thread.
If the whole cluster dies, nobody renews: its leases lapse and any other cluster's sweep finds them.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterable

from django.db import Error as DatabaseError
from django.db import connection

from jobs import conf, recovery
from jobs.board import Board, Entry, is_alive
from jobs.claims import Claim
from jobs.journal import give_back

logger = logging.getLogger("jobs.engine")

TICK = 0.5  # seconds

# A row that somebody is at is passed by: a transaction that takes its time over one run, a person's
# perhaps, must not cost the others their leases.
RENEW = """
UPDATE jobs_run r SET lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
  FROM (SELECT l.id FROM jobs_run l
          JOIN unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS held(id, token)
            ON l.id = held.id AND l.lease_token = held.token
           FOR NO KEY UPDATE OF l SKIP LOCKED) mine
 WHERE r.id = mine.id
RETURNING r.id
"""

Held = dict[uuid.UUID, uuid.UUID]  # run → token


class Keeper:
    def __init__(self, board: Board, workers: int) -> None:
        self._board = board
        self._workers = workers
        self._claimed: dict[uuid.UUID, tuple[uuid.UUID, float]] = {}  # run → token, last renewed
        self._lock = threading.Lock()
        self._renewed = 0.0
        # Not a daemon: the pusher's process ends when this thread does (4).
        self._thread = threading.Thread(target=self._keep, name="keeper")

    def start(self) -> None:
        self._board.go_on()
        self._thread.start()

    def add(self, claims: Iterable[Claim]) -> None:
        """These are on their way to the workers."""
        with self._lock:
            self._claimed |= {c.run_id: (c.token, time.monotonic()) for c in claims}

    def _keep(self) -> None:
        while threading.main_thread().is_alive():
            self._tick()
            time.sleep(TICK)
        self._board.stop()
        self._give_back_waiting()
        while any(entry.run_id for entry in self._living()):
            self._tick()
            time.sleep(TICK)
        connection.close()

    def _tick(self) -> None:
        try:
            self._bury()
            if time.monotonic() - self._renewed > conf.lease() / 3:
                self._renew()
                self._renewed = time.monotonic()
        except DatabaseError as error:
            logger.warning("The keeper waits for the database: %s", error)
            connection.close()

    def _bury(self) -> None:
        dead = {entry.pid for entry in self._board.entries() if not is_alive(entry.pid)}
        for entry in self._board.entries():  # again: it may have come further before it died
            if entry.pid not in dead:
                continue
            if entry.run_id and entry.token:
                recovery.worker_died(entry.run_id, entry.token, entry.pid, entry.step)
            self._board.erase(entry.pid)

    def _renew(self) -> None:
        at_work = {e.run_id: e.token for e in self._living() if e.run_id and e.token}
        all_busy = len(at_work) >= self._workers
        held = at_work | (self._waiting(at_work) if all_busy else {})
        alive = self._extend(held)
        lapsed = time.monotonic() - conf.lease()
        with self._lock:
            for run_id, (token, since) in list(self._claimed.items()):
                if run_id in alive:
                    self._claimed[run_id] = token, time.monotonic()
                elif held.get(run_id) == token or since < lapsed:
                    del self._claimed[run_id]

    def _waiting(self, at_work: Held) -> Held:
        with self._lock:
            return {i: token for i, (token, _) in self._claimed.items() if i not in at_work}

    def _extend(self, held: Held) -> set[uuid.UUID]:
        if not held:
            return set()
        with connection.cursor() as cursor:
            cursor.execute(
                RENEW,
                {"lease": conf.lease(), "ids": list(held), "tokens": list(held.values())},
            )
            return {row[0] for row in cursor.fetchall()}

    def _give_back_waiting(self) -> None:
        at_work = {e.run_id: e.token for e in self._living() if e.run_id and e.token}
        for run_id, token in self._waiting(at_work).items():
            try:
                give_back(run_id, token)
            except DatabaseError as error:
                logger.warning("Run %s is left to its lease: %s", run_id, error)
                connection.close()

    def _living(self) -> list[Entry]:
        return [entry for entry in self._board.entries() if is_alive(entry.pid)]
