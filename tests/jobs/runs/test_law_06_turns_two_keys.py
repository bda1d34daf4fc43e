"""Law 6 with two Concurrency entries: one per user, and three over all."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from jobs.api import Concurrency, Context, Event, send
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db
BOTH = [Concurrency(limit=1, key="event.data.user"), Concurrency(limit=3)]


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 60)


def order(users: str) -> None:
    for user in users:
        send(Event(name="test/go", data={"user": user}))


def at_work() -> str:
    return "".join(
        run.event.data["user"] for run in Run.objects.filter(status="waiting").order_by("id")
    )


def test_each_user_has_one_turn_and_all_of_them_three():
    with registered(naps, concurrency=BOTH):
        order("aabbcd")
        drain()
        assert at_work() == "abc"


def test_every_run_has_its_turn_in_the_end_and_no_limit_is_ever_exceeded():
    with registered(naps, concurrency=BOTH):
        order("aabbcdaeeaf")
        seen = []
        while Run.objects.unfinished().exists():
            drain()
            seen.append(at_work())
            travel(timedelta(minutes=1))
            drain()
    assert all(len(now) <= 3 and max(Counter(now).values()) == 1 for now in seen if now)
    assert Run.objects.filter(status="completed").count() == 11


def test_a_run_that_waits_for_the_second_line_keeps_its_place_in_the_first():
    with registered(naps, concurrency=BOTH):
        order("abcdd")
        drain()
        assert list(Run.objects.order_by("id").values_list("turns_held", flat=True)) == [
            2,
            2,
            2,
            1,
            0,
        ]
        travel(timedelta(minutes=1))
        drain()
        assert at_work() == "d"
