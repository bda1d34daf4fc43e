"""What is sent, and what must come of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

from jobs.api import Event

# Function → the effects that each of its runs must leave, exactly once.
EFFECTS = {
    "chaos-order": ["reserve", "pack", "ship", "bill"],
    "chaos-nap": ["before", "again", "after"],
    "chaos-fan": ["asked", "slept", "worked", "joined"],
    "chaos-family": ["before", "after"],
    "chaos-child": ["born"],
    "chaos-echo": ["heard"],
    "chaos-long": ["before", "outlive", "outside"],
    "chaos-doomed": ["paid"],
    "chaos-doomed-failure": ["sorry"],
    "chaos-poison": ["sip"],
    "chaos-poison-failure": ["sorry"],
    "chaos-poison-branch": ["sip", "water"],
    "chaos-poison-branch-failure": ["sorry"],
    "chaos-poison-between": ["sip"],
    "chaos-poison-between-failure": ["sorry"],
}
AT_LEAST_ONCE = {("chaos-long", "outside")}
# Runs that another one's run brings with it.
FOLLOWERS = {
    "chaos-family": ["chaos-child", "chaos-echo"],
    "chaos-doomed": ["chaos-doomed-failure"],
    "chaos-poison": ["chaos-poison-failure"],
    "chaos-poison-branch": ["chaos-poison-branch-failure"],
    "chaos-poison-between": ["chaos-poison-between-failure"],
}
POISON = ["chaos-poison", "chaos-poison-branch", "chaos-poison-between"]
POISON_ATTEMPTS = 3
STRANGER = "chaos-stranger"
FAILING = {"chaos-doomed", *POISON}
COMMON = {
    "chaos-order": 6,
    "chaos-nap": 4,
    "chaos-fan": 4,
    "chaos-family": 4,
    "chaos-doomed": 1,
    "chaos-long": 1,
}


@dataclass(frozen=True)
class Order:
    fn_id: str
    event: Event


class OrderBook:
    """Orders in a row, each made from the seed; `sent` is what has been accepted."""

    def __init__(self, random: Random, seed: int, keys: int, lease: float) -> None:
        self.sent: list[Order] = []
        self._random = random
        self._seed = seed
        self._keys = keys
        self._lease = lease
        self._number = 0

    def make(self, count: int) -> list[Order]:
        kinds = self._random.choices(list(COMMON), list(COMMON.values()), k=count)
        return [self.one(fn_id) for fn_id in kinds]

    def one(self, fn_id: str) -> Order:
        self._number += 1
        outlives = self._lease * 1.5
        is_slow = self._random.random() < 0.04
        data: dict[str, Any] = {
            "n": self._number,
            "key": f"k{self._random.randrange(self._keys)}",
            "call": outlives if is_slow else self._random.uniform(0.02, 0.4),
            "long": outlives if self._random.random() < 0.3 else 0.4,
        }
        name = fn_id.replace("chaos-", "chaos/", 1)
        return Order(fn_id, Event(name=name, data=data, id=f"chaos-{self._seed}-{self._number}"))

    def expected(self) -> Counter[str]:
        """How many runs of each function there must be."""
        runs: Counter[str] = Counter()
        for order in self.sent:
            runs.update([order.fn_id, *FOLLOWERS.get(order.fn_id, ())])
        return runs
