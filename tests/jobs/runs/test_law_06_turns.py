"""Law 6: turns are kept, counted over the whole run, first come first served."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from jobs.api import Concurrency, Context, Event, cancel, send
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import Diary, registered

pytestmark = pytest.mark.django_db
PER_USER = [Concurrency(limit=1, key="event.data.user")]


def order(*users: str | int | None) -> None:
    for number, user in enumerate(users):
        data = {"number": number} | ({} if user is None else {"user": user})
        send(Event(name="test/go", data=data))


def number(run: Run) -> int:
    return run.event.data["number"]


def started() -> list[int]:
    return sorted(number(run) for run in Run.objects.unfinished().filter(turns_held=1))


def parked() -> list[int]:
    return sorted(number(run) for run in Run.objects.filter(reason="turn"))


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 60)


def test_one_users_runs_take_turns_while_another_users_go_their_way():
    with registered(naps, concurrency=PER_USER):
        order("ann", "ann", "bob")
        drain()
        assert (started(), parked()) == ([0, 2], [1])

        travel(timedelta(minutes=1))
        drain()
        assert (started(), parked()) == ([1], [])


def test_a_limit_of_two_lets_two_in():
    with registered(naps, concurrency=[Concurrency(limit=2, key="event.data.user")]):
        order("ann", "ann", "ann", "ann", "bob")
        drain()
        assert (started(), parked()) == ([0, 1, 4], [2, 3])


def test_without_a_key_the_function_is_one_line():
    with registered(naps, concurrency=[Concurrency(limit=1)]):
        order("ann", "bob")
        drain()
        assert (started(), parked()) == ([0], [1])


def test_first_come_is_first_served():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("in", diary.write, f"in {ctx.event.data['number']}")
        ctx.step.sleep("nap", 1)
        ctx.step.run("out", diary.write, f"out {ctx.event.data['number']}")

    with registered(handler, concurrency=PER_USER):
        order(*["ann"] * 5)
        for _ in range(6):
            drain()
            travel(timedelta(seconds=2))
    assert diary.entries == [f"{way} {n}" for n in range(5) for way in ("in", "out")]


def test_a_run_that_backs_off_keeps_its_turn():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("one", diary.fail_times, "one", 1)

    with registered(handler, concurrency=PER_USER):
        order("ann", "ann")
        drain()
        assert (diary.entries, parked()) == (["one"], [1])
        travel(timedelta(seconds=2))
        drain()
    assert Run.objects.filter(status="completed").count() == 2


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_whatever_way_a_run_ends_its_turn_passes_on(end):
    def handler(ctx: Context) -> None:
        if ctx.event.data["number"] == 0:
            ctx.step.sleep("nap", 60)
            if end == "failed":
                raise ValueError("no")

    with registered(handler, concurrency=PER_USER, retries=0):
        order("ann", "ann")
        drain()
        first, second = Run.objects.order_by("id")
        assert (first.status, second.reason) == ("waiting", "turn")
        if end == "cancelled":
            cancel(first.id)
        travel(timedelta(minutes=1))
        drain()
    assert [run.status for run in Run.objects.order_by("id")] == [end, "completed"]


def test_a_parked_run_costs_nothing_and_no_look_finds_it():
    with registered(naps, concurrency=PER_USER):
        order(*["ann"] * 20)
        drain()
        assert len(parked()) == 19
        assert Run.objects.filter(reason="turn", due_at=None, started_at=None).count() == 19
        assert not Run.objects.due().exists()
        assert claim_due(100) == []


def test_a_long_line_keeps_no_run_of_another_line_from_being_taken():
    with registered(naps, concurrency=PER_USER):
        order(*["ann"] * 30, "bob")
        drain()
        assert started() == [0, 30]


def test_a_parked_run_that_is_cancelled_leaves_the_line():
    with registered(naps, concurrency=PER_USER):
        order("ann", "ann", "ann")
        drain()
        cancel(Run.objects.order_by("id")[1].id)
        travel(timedelta(minutes=1))
        drain()
        assert started() == [2]


def test_runs_whose_key_has_no_value_share_one_line():
    with registered(naps, concurrency=PER_USER):
        order(None, None, "ann")
        drain()
        assert (started(), parked()) == ([0, 2], [1])


def test_a_number_and_its_text_are_different_keys():
    with registered(naps, concurrency=PER_USER):
        order(7, "7", 7)
        drain()
        assert (started(), parked()) == ([0, 1], [2])


def test_a_key_that_cannot_be_evaluated_keeps_no_sender_from_sending():
    first_user = [Concurrency(limit=1, key="event.data.users[0]")]
    with registered(naps, concurrency=first_user):
        send(Event(name="test/go", data={"number": 0, "users": []}))
        send(Event(name="test/go", data={"number": 1, "users": ["ann"]}))
        drain()
        assert started() == [0, 1]


def test_a_run_of_the_future_keeps_no_other_waiting():
    with registered(naps, concurrency=PER_USER):
        send(Event(name="test/go", data={"number": 0, "user": "ann"}, ts=4_000_000_000_000))
        send(Event(name="test/go", data={"number": 1, "user": "ann"}))
        drain()
        assert started() == [1]


def test_first_come_is_by_the_databases_clock_whatever_the_senders_clock_says():
    diary = Diary()
    with registered(
        lambda ctx: ctx.step.run("write", diary.write, ctx.event.data["who"]),
        concurrency=[Concurrency(limit=1)],
    ):
        send(Event(name="test/go", data={"who": "first"}))
        send(Event(name="test/go", data={"who": "second"}))
        second = Run.objects.order_by("created_at").last()
        years_behind = uuid.UUID(int=7 << 76)
        Run.objects.filter(id=second.id).update(id=years_behind)
        drain()
    assert diary.entries == ["first", "second"]
