"""Law 6 while a deploy changes a line's limit: runs that exist keep theirs, and stay first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Concurrency, Context, Event, send
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db


def line(limit: int) -> list[Concurrency]:
    return [Concurrency(limit=limit)]


def order(*numbers: int) -> None:
    for number in numbers:
        send(Event(name="test/go", data={"number": number}))


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 60)


def started() -> list[int]:
    holding = Run.objects.unfinished().filter(turns_held=1).select_related("event")
    return sorted(run.event.data["number"] for run in holding)


def test_a_run_with_a_higher_limit_does_not_overtake_one_that_waits_with_a_lower_one():
    with registered(naps, concurrency=line(1)):
        order(0, 1)
        drain()
    with registered(naps, concurrency=line(3)):
        order(2)
        drain()
        assert started() == [0]


def test_a_run_of_before_has_its_turn_however_many_come_after_the_limit_was_raised():
    with registered(naps, concurrency=line(1)):
        order(0, 1)
        drain()
    with registered(naps, concurrency=line(3)):
        for number in range(2, 6):
            travel(timedelta(seconds=30))
            drain()
            order(number)
            drain()
    assert 1 in started() or Run.objects.get(event__data__number=1).is_finished


def test_runs_with_a_higher_limit_fill_their_line_once_those_of_before_have_begun():
    with registered(naps, concurrency=line(1)):
        order(0, 1)
        drain()
    with registered(naps, concurrency=line(3)):
        order(2, 3, 4)
        drain()
        assert started() == [0]
        travel(timedelta(seconds=60))
        drain()
        assert started() == [1, 2, 3]


def test_runs_with_a_lower_limit_wait_for_all_of_before():
    with registered(naps, concurrency=line(3)):
        order(0, 1, 2, 3)
        drain()
    with registered(naps, concurrency=line(1)):
        order(4, 5)
        drain()
        assert started() == [0, 1, 2]
        travel(timedelta(seconds=60))
        drain()
        assert started() == [3]
        travel(timedelta(seconds=60))
        drain()
        assert started() == [4]
