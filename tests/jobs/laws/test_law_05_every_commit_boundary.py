"""Laws 2 to 9 by enumeration: die just before and just after each commit, and no outcome tells.

Functions that use every kind of step go their way undisturbed, and the commits are counted: the
claims', the workers', the gateway's. Then they go their way again for each of them, and the cluster
dies there. What came of it must be the story of the undisturbed execution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from jobs.api import Concurrency, Context, Event, NonRetriableError, StepError, TriggerEvent, send
from jobs.models import Attempt
from jobs.testing import Answer, Endpoint
from songs.models import Category
from tests.support.commit_boundaries import (
    Boundary,
    Cluster,
    a_minute_later,
    deaths,
    forget_everything,
    remembered_steps,
    story,
    to_the_end,
)
from tests.support.functions import registered

pytestmark = pytest.mark.django_db(transaction=True)
IN_LINE = [Concurrency(limit=1)]
SOON = [30]  # seconds between attempts
LOST = "jobs.errors.WorkerLost"
WORKER_CODE = ("executor.", "step_runner.")
# Where each part has commits, and how many at least: an enumeration of nothing would prove nothing.
WORKERS = {"claiming.look", "executor.suspend", "executor.complete"}
GATEWAYS = {"outbox.lease_requests", "outbox.store_responses"}
PLACES = {
    "alone": WORKERS | {"step_runner.attempt"},
    "with_others": WORKERS | GATEWAYS | {"executor.retry_or_fail"},
    "side_by_side": WORKERS | GATEWAYS | {"executor.retry_or_fail"},
}
LEAST = {"alone": 10, "with_others": 22, "side_by_side": 18}


class World:
    """Functions, an endpoint, and what each body did: a row in the database, a line outside it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.diary: list[tuple[str, str]] = []  # run, step

    # --- functions that use every kind of step ----------------------------------------------------

    def alone(self, ctx: Context) -> None:
        """run (atomic or not, failing once), sleep, sleep_until; completes."""
        ctx.step.run("atomic", self.book, ctx, "atomic")
        ctx.step.run("atomic too", self.book, ctx, "atomic too")
        ctx.step.run("outside", self.note, ctx, "outside", atomic=False)
        ctx.step.sleep("nap", 30)
        ctx.step.sleep_until("later", minutes_after(ctx, 3))
        ctx.step.run("flaky", self.flaky, ctx, ctx.attempt)

    def with_others(self, ctx: Context) -> None:
        """send_event, wait_for_event, invoke (once in vain), fetch (failing once); completes."""
        ctx.step.send_event("tell", Event(name="test/told", data=ctx.event.data))
        answer = ctx.step.wait_for_event(
            "answer",
            event="test/answer",
            if_exp="async.data.order == event.data.order",
            timeout=timedelta(hours=2),
        )
        assert answer is not None
        assert ctx.step.invoke("ask", function="helper", data={"a": 1}) == {"a": 1}
        with pytest.raises(StepError):
            ctx.step.invoke("ask in vain", function="broken helper")
        assert ctx.step.fetch("post", self.endpoint.url, method="POST", json={}).ok

    def side_by_side(self, ctx: Context) -> None:
        """parallel, a caught StepError, an error between steps, a failure with its hook."""
        ctx.step.parallel(
            [
                lambda: ctx.step.sleep("left", 20),
                partial(ctx.step.fetch, "middle", self.endpoint.url, method="POST"),
                partial(ctx.step.invoke, "right", function="helper", data={"b": 2}),
            ]
        )
        try:
            ctx.step.run("broken", self.broken, ctx)
        except StepError:
            ctx.step.run("mended", self.book, ctx, "mended")
        if ctx.attempt == 0:
            raise ValueError("between two steps, once")
        raise NonRetriableError("the end")

    def sorry(self, ctx: Context) -> None:
        ctx.step.run("sorry", self.book, ctx, "sorry")

    # --- whom they call ---------------------------------------------------------------------------

    def listener(self, ctx: Context) -> None:
        ctx.step.run("heard", self.book, ctx, "heard")
        ctx.step.send_event("reply", Event(name="test/answer", data=ctx.event.data))

    def helper(self, ctx: Context) -> dict[str, Any]:
        ctx.step.run("help", self.book, ctx, "help")
        return ctx.event.data

    def broken_helper(self, ctx: Context) -> None:
        ctx.step.run("no help", self.broken, ctx)

    # --- bodies -----------------------------------------------------------------------------------

    def note(self, ctx: Context, step: str) -> None:
        self.diary.append((ctx.run_id, step))

    def book(self, ctx: Context, step: str) -> None:
        self.note(ctx, step)
        Category.objects.create(name=step, folded=f"{step} {Category.objects.count()}")

    def flaky(self, ctx: Context, attempt: int) -> None:
        self.book(ctx, "flaky")
        if attempt == 0:
            raise ValueError("once")

    def broken(self, ctx: Context) -> None:
        self.book(ctx, "broken")
        raise NonRetriableError("no")

    # --- one life ---------------------------------------------------------------------------------

    def begin(self) -> None:
        forget_everything()
        Category.objects.all().delete()
        self.diary.clear()
        self.endpoint.asked.clear()
        self.endpoint.answers(Answer(status=503))
        send(Event(name="test/go", data={"order": 1}))

    def story(self) -> dict[str, Any]:
        keys = {asked.headers["idempotency-key"] for asked in self.endpoint.asked}
        rows = Counter(Category.objects.values_list("name", flat=True))
        return story() | {"rows": rows, "different requests": len(keys)}

    def bodies(self) -> Counter[str]:
        return Counter(step for _, step in self.diary)


def minutes_after(ctx: Context, minutes: int) -> datetime:
    """That long after the run's event."""
    return datetime.fromtimestamp(ctx.event.ts / 1000, UTC) + timedelta(minutes=minutes)


@pytest.fixture
def world(endpoint: Endpoint) -> World:
    return World(endpoint)


@contextmanager
def living(world: World, part: str) -> Iterator[None]:
    told = TriggerEvent(event="test/told")
    with (
        registered(getattr(world, part), fn_id=part, on_failure=world.sorry, backoff=SOON),
        registered(world.listener, fn_id="listener", trigger=told, backoff=SOON),
        registered(world.helper, fn_id="helper", trigger=[], backoff=SOON, concurrency=IN_LINE),
        registered(world.broken_helper, fn_id="broken helper", trigger=[], backoff=SOON),
    ):
        yield


def undisturbed(world: World, *, one_by_one: bool = False) -> Cluster:
    world.begin()
    cluster = Cluster(one_by_one=one_by_one)
    assert to_the_end(cluster)
    return cluster


parts = pytest.mark.parametrize("part", ["alone", "with_others", "side_by_side"])
sides = pytest.mark.parametrize("before", [True, False], ids=["before", "after"])


@parts
@sides
def test_a_cluster_may_die_at_any_commit_and_no_outcome_tells(world, part, before):
    with living(world, part):
        boundaries = undisturbed(world).boundaries(before=before)
        story, bodies, requests = world.story(), world.bodies(), len(world.endpoint.asked)
        died_at = []
        for dead in deaths(world.begin, boundaries):
            known, lines = remembered_steps(), len(world.diary)
            assert a_minute_later(Cluster())
            assert world.story() == story
            assert not known & set(world.diary[lines:])
            assert max((world.bodies() - bodies).values(), default=0) <= 1
            assert not Attempt.objects.filter(error_class=LOST).exists()
            was_in_flight = before and dead.commits[-1] == "outbox.store_responses"
            assert 0 <= len(world.endpoint.asked) - requests <= was_in_flight
            died_at.append(dead.commits[-1])
    assert len(died_at) == len(boundaries) >= LEAST[part]
    assert set(died_at) >= PLACES[part]


@parts
def test_a_worker_may_die_at_any_commit_and_costs_an_attempt_at_most(world, part):
    with living(world, part):
        whole = undisturbed(world, one_by_one=True)
        story, bodies = world.story(), world.bodies()
        workers = [b for b in now_before_now_after(whole) if b.place.startswith(WORKER_CODE)]
        for dead in deaths(world.begin, workers, one_by_one=True):
            known, lines = remembered_steps(), len(world.diary)
            dead.record_lost_worker()
            assert to_the_end(Cluster(one_by_one=True))
            assert world.story() == story
            assert not known & set(world.diary[lines:])
            assert max((world.bodies() - bodies).values(), default=0) <= 1
            assert Attempt.objects.filter(error_class=LOST).count() <= 1
    assert len(workers) >= LEAST[part] // 2


@parts
def test_the_heir_of_a_dead_cluster_may_die_as_well(world, part):
    with living(world, part):
        boundaries = now_before_now_after(undisturbed(world))
        story = world.story()
        for number, _ in enumerate(deaths(world.begin, boundaries)):
            heir = Cluster(Boundary("", 1 + number % 4, before=number % 3 == 0))
            a_minute_later(heir)
            known, lines = remembered_steps(), len(world.diary)
            assert a_minute_later(Cluster())
            assert world.story() == story
            assert not known & set(world.diary[lines:])
    assert len(boundaries) >= LEAST[part]


def now_before_now_after(cluster: Cluster) -> list[Boundary]:
    """One boundary of each of its commits, the two kinds in turn."""
    pairs = zip(cluster.boundaries(before=True), cluster.boundaries(before=False), strict=True)
    return [pair[number % 2] for number, pair in enumerate(pairs)]
