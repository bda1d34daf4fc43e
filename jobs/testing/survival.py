"""Prove that a function has the same outcome at whichever commit its cluster dies.

The function runs undisturbed, and the commits of claims, steps and requests are counted. Then it
runs again for each of them, and the cluster dies just before or after it; another one takes over a
minute later. The outcome must be the undisturbed one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection

from jobs.events.event import Event
from jobs.events.intake import send
from jobs.events.validation import validate
from jobs.models import Run
from jobs.registry.function import Function, Handler
from jobs.registry.options import TriggerEvent
from jobs.testing import time_travel
from jobs.testing.crashes import Boundary, CrashingCluster
from jobs.testing.functions import FN_ID, registered
from jobs.testing.stories import differences, story
from jobs.testing.tables import Tables

A_MINUTE = timedelta(minutes=1)  # longer than a lease
MAX_JUMPS = 1_000  # in time, of one life
MAX_SHOWN = 10  # crashes that a message names
UNSTEADY = (
    "Two executions without a crash have different outcomes, so crashes cannot be told from "
    "chance. Name such columns in ignore=[…], or have begin() put back what is not in the database."
)


def survives_every_crash(
    function: Function | Handler,
    event: Event[Any],
    *,
    begin: Callable[[], object] = lambda: None,
    facts: Callable[[], object] = lambda: None,
    ignore: Collection[str] = (),
    **options: Any,
) -> int:
    """Execute a function once for each crash that can happen to it; returns how many there were.

    Each life begins with the present rows; sleeps and waits are skipped. Compared are runs, steps,
    the rows of all the site's tables, and what `facts()` returns: what has happened outside the
    database. `begin()` is called first in each life, to put that back. Columns of times, of UUIDs
    and those in `ignore` (“shop_order.seed”) are not compared.

    A handler that is no Function is registered meanwhile, with `options`. Raises AssertionError
    with each crash that changes the outcome, and how; InvalidEvent; ValueError for an `ignore` that
    names no column. Needs a test without its own transaction:
    `@pytest.mark.django_db(transaction=True)`.
    """
    if connection.in_atomic_block:
        raise AssertionError(
            "survives_every_crash() commits, and so needs a test without a transaction of its own: "
            "@pytest.mark.django_db(transaction=True), or Django's TransactionTestCase."
        )
    validate(event)
    with _known(function, event, options) as fn_id:
        life = Life(fn_id, event, begin, facts, Tables(ignore))
        try:
            ways = [life.undisturbed(one_by_one=one_by_one) for one_by_one in (True, False)]
            return sum(_survives(life, cluster) for cluster in ways)
        finally:
            life.tables.restore()


@contextlib.contextmanager
def _known(function: Function | Handler, event: Event, options: Any) -> Iterator[str]:
    if isinstance(function, Function):
        yield function.fn_id
        return
    trigger = TriggerEvent(event=event.name)
    with registered(function, **{"fn_id": FN_ID, "trigger": trigger} | options) as made:
        yield made.fn_id


@dataclass
class Life:
    """From the event to the end of all runs."""

    fn_id: str
    event: Event
    begin: Callable[[], object]
    facts: Callable[[], object]
    tables: Tables
    whole: dict[str, Any] = field(default_factory=dict)  # undisturbed

    def live(self, cluster: CrashingCluster) -> bool:
        """False if the cluster died."""
        self.tables.restore()
        self.begin()
        send(self.event)
        return self.go_on(cluster)

    def undisturbed(self, *, one_by_one: bool) -> CrashingCluster:
        """All must have the same story."""
        cluster = CrashingCluster(one_by_one=one_by_one)
        self.live(cluster)
        if not Run.objects.filter(fn_id=self.fn_id).exists():
            raise AssertionError(f"The event “{self.event.name}” starts no run of “{self.fn_id}”.")
        told = self.story()
        if self.whole and (unsteady := differences(told, self.whole)):
            raise AssertionError("\n  ".join([UNSTEADY, *unsteady[:MAX_SHOWN]]))
        self.whole = told
        return cluster

    def go_on(self, cluster: CrashingCluster) -> bool:
        for _ in range(MAX_JUMPS):
            if not cluster.work():
                return False
            if not Run.objects.unfinished().exists():
                return True
            if not time_travel.skip():
                time_travel.travel(A_MINUTE)
        runs = Run.objects.unfinished().values_list("fn_id", "status", "reason")
        raise AssertionError(f"These runs never end: {list(runs)}.")

    def story(self) -> dict[str, Any]:
        return story() | self.tables.facts() | {"facts": self.facts()}


def _survives(life: Life, whole: CrashingCluster) -> int:
    boundaries = [*whole.boundaries(before=True), *whole.boundaries(before=False)]
    broken = list(filter(None, (_broken_by(life, one, whole.one_by_one) for one in boundaries)))
    if broken:
        how = "commit one by one" if whole.one_by_one else "share a transaction"
        more = f"\n… and {len(broken) - MAX_SHOWN} more" if len(broken) > MAX_SHOWN else ""
        raise AssertionError(
            f"{len(broken)} of {len(boundaries)} crashes of “{life.fn_id}” can be told from what "
            f"came of it, where steps {how}.\n" + "\n".join(broken[:MAX_SHOWN]) + more
        )
    return len(boundaries)


def _broken_by(life: Life, boundary: Boundary, one_by_one: bool) -> str:
    """What a crash changes, in lines."""
    cluster = CrashingCluster(boundary, one_by_one=one_by_one)
    if life.live(cluster):
        return ""  # another way was taken this time
    where = f"{boundary}{f', at step “{cluster.last_step}”' if cluster.last_step else ''}"
    time_travel.travel(A_MINUTE)
    try:
        life.go_on(CrashingCluster(one_by_one=one_by_one))
    except AssertionError as stuck:
        return f"Died {where}:\n    {stuck}"
    lines = differences(life.story(), life.whole)
    return "\n    ".join([f"Died {where}:", *lines]) if lines else ""
