"""Positions tell in which order a run came past its steps, whoever died on the way: a rerun “from
this step” goes by them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.api import Context, rerun
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.deaths import deadly, lose_worker
from tests.support.functions import Diary, go, registered, the_run

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def at_once(handler: Any) -> Any:
    return registered(handler, backoff=[0])


def order() -> list[str]:
    steps = the_run().steps.order_by("position")
    positions = [step.position for step in steps]
    assert len(positions) == len(set(positions))
    return [step.name for step in steps]


def test_steps_that_went_with_their_worker_come_before_the_one_that_it_died_of():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("a", diary.write, "a")
        ctx.step.run("b", diary.write, "b")
        diary.write(ctx.step.run("c", deadly, "c"))
        ctx.step.run("d", diary.write, "d")

    with at_once(handler):
        go()
        lose_worker()
        drain()
        assert diary.entries == ["a", "b", "c", "d"]
        assert order() == ["a", "b", "c", "d"]

        diary.entries.clear()
        rerun(the_run().id, from_step="c")
        drain()
    assert diary.entries == ["c", "d"]


def test_steps_that_were_committed_before_keep_their_places():
    def handler(ctx: Context) -> None:
        ctx.step.run("a", str)
        ctx.step.sleep("nap", 60)
        ctx.step.run("b", str)
        ctx.step.run("c", deadly)
        ctx.step.run("d", str)

    with at_once(handler):
        go()
        drain()
        travel(timedelta(seconds=60))
        lose_worker()
        drain()
    assert order() == ["a", "nap", "b", "c", "d"]


def test_a_step_whose_worker_died_in_a_branch_takes_nobodys_place():
    """The sleep of the first branch has its place, though it is not over and counts as no step."""
    diary = Diary()

    def handler(ctx: Context) -> None:
        def left() -> None:
            ctx.step.sleep("nap", 60)
            ctx.step.run("left", diary.write, "left")

        ctx.step.parallel([left, lambda: ctx.step.run("right", deadly)])
        ctx.step.run("after", diary.write, "after")

    with at_once(handler):
        go()
        lose_worker()
        drain()
        travel(timedelta(seconds=60))
        drain()
        assert order() == ["nap", "right", "left", "after"]

        diary.entries.clear()
        again = Run.objects.get(id=rerun(the_run().id, from_step="left"))
        drain()
    again.refresh_from_db()
    assert again.status == "completed"
    assert diary.entries == ["left", "after"]


def test_a_step_that_erred_and_is_tried_again_stays_where_it_is():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("a", str)
        ctx.step.run("b", diary.fail_times, "b", 2)
        ctx.step.run("c", str)

    with at_once(handler):
        go()
        drain()
    assert list(the_run().steps.values_list("name", "position")) == [("a", 1), ("b", 2), ("c", 3)]
