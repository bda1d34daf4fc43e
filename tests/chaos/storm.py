"""What is done to the clusters, drawn from the seed, and a diary of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.chaos.clusters import Cluster
from tests.chaos.database import OwnDatabase

KINDS = {
    "worker": 10,
    "pusher": 4,
    "monitor": 3,
    "sentinel": 2,
    "cluster": 3,
    "term": 2,
    "freeze": 2,
}
DATABASE = {"database": 3}
# These end or stall what holds a request in flight, and so explain that it is sent again.
STALLS_REQUESTS = {"pusher", "sentinel", "cluster", "freeze", "database"}
AFTERMATH = 3.0  # seconds for which what was frozen or cut off may still act on what it held
ON_THE_WIRE = 1.0  # seconds that a request of a killed process may take to reach the endpoint


@dataclass(frozen=True)
class Blow:
    kind: str
    cluster: int
    began: float  # monotonic
    ended: float
    pid: int = 0


class Storm:
    def __init__(
        self, random: Random, clusters: list[Cluster], database: OwnDatabase | None, lease: float
    ) -> None:
        self.blows: list[Blow] = []
        self._random = random
        self._pick = Random(random.random())  # how many there are to pick from is not the seed's
        self._clusters = clusters
        self._database = database
        self._lease = lease
        self._kinds = KINDS | (DATABASE if database else {})
        self._next = self._draw()

    def _draw(self) -> tuple[str, Cluster]:
        (kind,) = self._random.choices(list(self._kinds), list(self._kinds.values()))
        return kind, self._random.choice(self._clusters)

    def strike(self) -> Blow | None:
        """The next blow; None, and it stays the next one, if its victim is not there just now."""
        kind, cluster = self._next
        if kind != "database" and not cluster.is_up:
            return None
        began = time.monotonic()
        pid = self._deal(kind, cluster)
        if pid is None:
            return None
        spans = {"freeze": self._freeze_seconds + AFTERMATH, "database": AFTERMATH}
        ended = time.monotonic() + spans.get(kind, ON_THE_WIRE)
        blow = Blow(kind, cluster.number, began, ended, pid)
        self.blows.append(blow)
        self._next = self._draw()
        return blow

    @property
    def _freeze_seconds(self) -> float:
        return self._lease * 1.5

    def _deal(self, kind: str, cluster: Cluster) -> int | None:
        if kind in ("worker", "pusher", "monitor", "sentinel"):
            return cluster.kill_one(kind, self._pick)
        if kind == "cluster":
            cluster.kill()
        elif kind == "term":
            cluster.terminate()
        elif kind == "freeze":
            cluster.freeze(self._freeze_seconds)
        elif kind == "database" and self._database is not None:
            self._database.strike()
        return 0

    def count(self) -> Counter[str]:
        return Counter(blow.kind for blow in self.blows)

    def last_before(self, moment: float) -> str:
        """What fell before a moment, and how long before, for messages."""
        earlier = [blow for blow in self.blows if blow.began <= moment][-3:]
        return ", ".join(f"{moment - b.began:.2f} s: {b.kind} of {b.cluster}" for b in earlier)

    def explains(self, since: float, until: float) -> bool:
        """Whether anything between these moments may have had a request sent again."""
        return any(
            blow.kind in STALLS_REQUESTS and blow.began <= until and blow.ended >= since
            for blow in self.blows
        )
