"""One trial: quiet, the door, storm, calm; then the laws."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connection

from jobs.api import send
from jobs.models import UNFINISHED
from tests.chaos.clusters import Cluster, left_over
from tests.chaos.door import Door
from tests.chaos.endpoint import Endpoint
from tests.chaos.laws import LAWS, Evidence, runs
from tests.chaos.orders import POISON, STRANGER, Order, OrderBook
from tests.chaos.storm import Storm

T = TypeVar("T")
GLANCE = 0.1
BATCH = 5
OUTAGE = 60.0  # seconds for which the trial itself waits for the database


@dataclass(frozen=True)
class Plan:
    """How large, how long; the same seed makes the same orders and draws the same blows."""

    seed: int
    runs: int
    keys: int
    seconds: float  # of storm
    blows: int
    patience: float  # seconds in which all must have ended once it is calm


class Trial:
    def __init__(
        self,
        plan: Plan,
        clusters: list[Cluster],
        endpoint: Endpoint,
        book: OrderBook,
        storm: Storm,
        door: Door,
        tell: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._clusters = clusters
        self._endpoint = endpoint
        self._book = book
        self._storm = storm
        self._door = door
        self._tell = tell
        self._random = Random(f"when {plan.seed}")
        self._told = 0.0
        self.problems: list[str] = []

    def run(self) -> None:
        self._quiet()
        self._knock()
        self._rage()
        self._calm()
        self._stop()

    # --- its parts --------------------------------------------------------------------------------

    def _quiet(self) -> None:
        """Nobody kills anything but the poison, and its neighbours lose nothing by it."""
        for fn_id in [*POISON, STRANGER]:
            self._send([self._book.one(fn_id), *self._book.make(3)])
        self._await_end("quiet")

    def _knock(self) -> None:
        """Events of every shape, one ordinary order for every ten; nothing is killed."""
        pushers = [cluster.members("pusher") for cluster in self._clusters]
        while self._door.knock(patiently, BATCH * 2):
            self._send(self._book.make(1))
            self._tend("door")
        self._await_end("door")
        for cluster, known in zip(self._clusters, pushers, strict=True):
            if not all(map(cluster.has, known)):
                self.problems.append("a pusher has died of what came to the door")

    def _rage(self) -> None:
        """Orders come in all the while; blows fall at moments drawn from the seed."""
        began = time.monotonic()
        orders = self._book.make(self._plan.runs)
        span = self._plan.seconds
        moments = sorted(self._random.uniform(0.0, span) for _ in range(self._plan.blows))
        while moments or orders:
            passed = time.monotonic() - began
            while orders and passed > span * (1 - len(orders) / self._plan.runs) * 0.9:
                self._send(orders[:BATCH])
                del orders[:BATCH]
            if moments and passed > moments[0] and self._storm.strike():
                del moments[0]
            if passed > span + self._plan.patience:
                self.problems.append(f"{len(moments)} blows found no victim")
                break
            self._tend("storm")

    def _calm(self) -> None:
        """No more blows: whatever was begun comes to its end."""
        self._await_end("calm")

    def _await_end(self, phase: str) -> None:
        deadline = time.monotonic() + self._plan.patience
        while self._unfinished() and time.monotonic() < deadline:
            self._tend(phase)

    def _stop(self) -> None:
        """Told to stop, every cluster stops, and leaves no process."""
        for cluster in self._clusters:
            cluster.stop_for_good()
        while not all(cluster.is_down for cluster in self._clusters):
            self._tend("stop")
        groups = {group for cluster in self._clusters for group in cluster.groups}
        deadline = time.monotonic() + 10.0
        while (left := left_over(groups)) and time.monotonic() < deadline:
            time.sleep(GLANCE)
        if left:
            self.problems.append(f"processes {left} outlived their clusters")
        for cluster in self._clusters:
            self.problems += cluster.problems

    # --- its means --------------------------------------------------------------------------------

    def _tend(self, phase: str) -> None:
        for cluster in self._clusters:
            cluster.tend()
        if time.monotonic() - self._told > 5.0:
            self._told = time.monotonic()
            blows = ", ".join(f"{n} {kind}" for kind, n in sorted(self._storm.count().items()))
            self._tell(
                f"{phase}: {len(self._book.sent)} sent, {self._unfinished()} unfinished; "
                f"blows: {blows or 'none'}"
            )
        time.sleep(GLANCE)

    def _send(self, orders: list[Order]) -> None:
        patiently(lambda: send([order.event for order in orders]))
        self._book.sent += orders

    def _unfinished(self) -> int:
        open_runs = runs().filter(status__in=UNFINISHED).exclude(fn_id=STRANGER)
        return patiently(open_runs.count) + patiently(lambda: self._door.unfinished)

    # --- what came of it --------------------------------------------------------------------------

    def judge(self) -> dict[str, list[str]]:
        """Each law, and how it was broken."""
        seen = Evidence(self._book, self._storm, self._endpoint.calls())
        verdict = {name: list(ask(seen)) for name, ask in LAWS.items()}
        verdict["accepted and not run as sent"] = list(self._door.broken())
        return verdict | {"processes that misbehaved": self.problems}


def patiently(ask: Callable[[], T]) -> T:
    """The answer, however often the database goes away meanwhile."""
    deadline = time.monotonic() + OUTAGE
    while True:
        try:
            return ask()
        except DatabaseError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(GLANCE)
