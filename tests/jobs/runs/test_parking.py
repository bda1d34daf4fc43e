"""Runs that stand in a line behind others are parked before they are in the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.api import Concurrency, Context, Event, cancel, send
from jobs.execution.executor import execute
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.runs.parking import park_due
from jobs.testing import drain
from tests.support.functions import registered

pytestmark = pytest.mark.django_db
PER_USER = [Concurrency(limit=1, key="event.data.user")]


def nothing(ctx: Context) -> None:
    return None


@pytest.fixture(autouse=True)
def function():
    with registered(nothing, concurrency=PER_USER) as function:
        yield function


def order(*users: str, **event: Any) -> list[Run]:
    """In one list; returns the runs in its order."""
    before = set(Run.objects.values_list("id", flat=True))
    send([Event(name="test/go", data={"user": user}, **event) for user in users])
    return list(Run.objects.exclude(id__in=before).order_by("id"))


def one_by_one(*users: str) -> list[Run]:
    return [run for user in users for run in order(user)]


def parked() -> list[Run]:
    return list(Run.objects.filter(status="queued", reason="turn", due_at=None).order_by("id"))


def test_of_a_list_only_the_first_of_each_line_are_due():
    ann, ann2, bob, ann3, bob2 = order("ann", "ann", "bob", "ann", "bob")
    assert parked() == [ann2, ann3, bob2]
    assert {c.run_id for c in claim_due(10)} == {ann.id, bob.id}


def test_as_many_are_due_as_the_line_lets_past():
    with registered(nothing, concurrency=[Concurrency(limit=3, key="event.data.user")]):
        runs = order(*["ann"] * 5)
        assert parked() == runs[3:]
        assert len(claim_due(10)) == 3


def test_they_have_their_turns_in_the_order_of_the_list():
    runs = order(*["ann"] * 5)
    done = []
    while claims := claim_due(10):
        done += [c.run_id for c in claims]
        for c in claims:
            execute(c)
    assert done == [run.id for run in runs]


def test_a_list_stands_behind_what_was_there():
    first, second = one_by_one("ann", "ann")
    order("ann", "ann")
    (taken,) = claim_due(10)
    assert taken.run_id == first.id
    execute(taken)
    assert [c.run_id for c in claim_due(10)] == [second.id]
    drain()


def test_whichever_of_them_is_cancelled_the_next_one_is_due():
    first, second, third = order("ann", "ann", "ann")
    cancel(second.id)
    cancel(first.id)
    assert [c.run_id for c in claim_due(10)] == [third.id]


def test_one_that_is_not_due_yet_lets_the_others_past():
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    send(
        [
            Event(name="test/go", data={"user": "ann"}, ts=tomorrow),
            Event(name="test/go", data={"user": "ann"}),
        ]
    )
    later, now = Run.objects.order_by("id")
    assert parked() == []
    assert [c.run_id for c in claim_due(10)] == [now.id]
    assert later.due_at > now.due_at + timedelta(hours=23)


# --- those that are sent one by one ---------------------------------------------------------------


def test_what_is_due_and_stands_behind_others_can_be_parked_while_no_worker_has_room():
    first, second, bob, third = one_by_one("ann", "ann", "bob", "ann")
    assert parked() == []
    park_due()
    assert parked() == [second, third]
    assert {c.run_id for c in claim_due(10)} == {first.id, bob.id}


def test_what_was_parked_so_has_its_turn():
    runs = one_by_one("ann", "ann", "ann")
    park_due()
    drain()
    ended = Run.objects.order_by("ended_at").values_list("id", "status")
    assert list(ended) == [(run.id, "completed") for run in runs]


def test_a_new_line_is_not_kept_waiting_by_the_hundredth_of_others():
    one_by_one(*["ann", "bob"] * 50)
    (carol,) = order("carol")
    while park_due():
        pass
    assert carol.id in {c.run_id for c in claim_due(4)}


def test_what_is_held_for_another_reason_keeps_it():
    _, second = one_by_one("ann", "ann")
    Run.objects.filter(id=second.id).update(reason="paused")
    park_due()
    assert parked() == []


def test_runs_in_no_line_are_left_alone():
    with registered(nothing):
        one_by_one("ann", "ann")
        assert not park_due()
        assert parked() == []
        assert len(claim_due(10)) == 2
