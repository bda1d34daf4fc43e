"""Each function has its share of what a cluster takes: none waits for the hundredth of another."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from jobs.api import Concurrency, Context, Event, TriggerEvent, send
from jobs.execution.executor import execute
from jobs.models import Run
from jobs.runs import shares
from jobs.runs.claiming import claim_batch, claim_due
from jobs.testing import drain, travel
from tests.support.blocking import Uncommitted
from tests.support.functions import registered

pytestmark = pytest.mark.django_db
BUSY, QUIET = "busy", "quiet"
PER_USER = [Concurrency(limit=1, key="event.data.user")]


@pytest.fixture(autouse=True)
def a_round_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(shares, "cursor", shares.ClassCursor())


def nothing(ctx: Context) -> None:
    return None


def sleeps(ctx: Context) -> None:
    if ctx.event.data.get("sleeps"):
        ctx.step.sleep("nap", 60)


def function(name: str, handler=nothing, **options):
    trigger = TriggerEvent(event=f"test/{name}")
    return registered(handler, fn_id=name, trigger=trigger, **options)


@pytest.fixture
def functions() -> Iterator[None]:
    with function(BUSY, sleeps), function(QUIET, sleeps):
        yield


def order(name: str, count: int = 1, **data: object) -> None:
    send([Event(name=f"test/{name}", data=data) for _ in range(count)])


def taken(limit: int) -> list[str]:
    return [c.fn_id for c in claim_due(limit)]


def test_a_run_of_a_quiet_function_is_taken_before_the_hundredth_of_a_busy_one(functions):
    order(BUSY, 100)
    order(QUIET)
    assert taken(4) == [BUSY, QUIET, BUSY]
    assert taken(4) == [BUSY] * 4


def test_while_only_one_function_has_due_runs_it_gets_all(functions):
    order(BUSY, 9)
    assert taken(8) == [BUSY] * 8


def test_of_one_class_the_oldest_goes_first(functions):
    order(BUSY, 9)
    order(QUIET, 9)
    for name in (BUSY, QUIET):
        Run.objects.filter(fn_id=name, id=Run.objects.filter(fn_id=name).latest("id").id).update(
            due_at=Run.objects.earliest("id").due_at - timedelta(hours=1)
        )
    first = {c.run_id for c in claim_due(2)}
    assert first == {Run.objects.filter(fn_id=name).latest("id").id for name in (BUSY, QUIET)}


def asleep(count: int) -> set[uuid.UUID]:
    """Runs that sleep, and wake at the same moment."""
    order(BUSY, count, sleeps=True)
    drain()
    travel(timedelta(minutes=2))
    return set(Run.objects.filter(reason="sleep").values_list("id", flat=True))


def test_a_herd_that_wakes_keeps_no_run_from_being_taken(functions):
    herd = asleep(50)
    order(BUSY)
    order(QUIET)
    first = claim_due(6)
    assert len(first) == 4
    assert sum(c.run_id in herd for c in first) == 2
    assert {c.fn_id for c in first if c.run_id not in herd} == {BUSY, QUIET}


def test_what_has_begun_is_not_kept_from_going_on_by_what_has_not(functions):
    (sleeper,) = asleep(1)
    order(BUSY, 50)
    order(QUIET, 50)
    assert sleeper in {c.run_id for c in claim_due(3)}


def test_with_more_functions_than_a_look_takes_runs_each_has_its_turn():
    names = [f"function-{n}" for n in range(7)]
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(function(name))
            order(name, 3)
        sequence = [name for _ in range(11) for name in taken(2)]
    assert [sorted(sequence[n : n + 7]) for n in (0, 7, 14)] == [names] * 3


def test_a_look_goes_on_where_the_last_one_left_off_among_functions_of_which_nothing_is_due(
    functions,
):
    """Their runs sleep. A look goes past so many of them; the next one goes past the rest."""
    (like,) = asleep(1)
    sleeper = Run.objects.get(id=like)
    sleeper.due_at += timedelta(days=1)
    others = range(shares.MAX_CLASSES + 1)
    Run.objects.bulk_create(
        Run(
            fn_id=f"another-{n:03}",
            event_id=sleeper.event_id,
            status="waiting",
            due_at=sleeper.due_at,
            created_at=sleeper.created_at,
        )
        for n in others
    )
    Run.objects.filter(id=like).update(fn_id=QUIET)
    assert claim_batch(8, "") == ([], True)
    (found,), _ = claim_batch(8, "")
    assert found.run_id == like


@pytest.mark.django_db(transaction=True)
def test_two_clusters_that_look_at_once_take_different_runs_of_each_function(functions):
    order(BUSY, 4)
    order(QUIET, 4)
    theirs: list[str] = []
    with Uncommitted(lambda: theirs.extend(taken(4))):
        ours = taken(4)
    assert sorted(theirs) == sorted(ours) == [BUSY, BUSY, QUIET, QUIET]


def test_a_run_whose_turn_comes_takes_turns_with_those_that_have_not_waited():
    with function(BUSY, concurrency=PER_USER):
        order(BUSY, 2, user="old")
        (first,) = claim_due(4)
        order(BUSY)
        execute(first)
        for n in range(20):
            order(BUSY, user=f"new {n}")
        waited = Run.objects.order_by("id")[1]
        assert waited.id in {c.run_id for c in claim_due(2)}
