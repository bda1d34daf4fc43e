"""step.parallel: branches that wait at the same time."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from jobs.api import Context, Event, StepError, send
from jobs.models import Run, RunStatus, Step
from jobs.testing import drain, travel
from tests.support.functions import Diary, ran, registered

pytestmark = pytest.mark.django_db


def test_all_branches_run_and_their_results_come_in_order():
    def handler(ctx: Context) -> list[int]:
        branches = [lambda n=n: ctx.step.run("square", lambda: n * n) for n in range(4)]
        return list(ctx.step.parallel(branches))

    with registered(handler):
        send(Event(name="test/go"))
        drain()
    assert Run.objects.get().output == [0, 1, 4, 9]
    assert {step.name for step in Step.objects.all()} == {
        "square",
        "square:1",
        "square:2",
        "square:3",
    }


def test_one_branch_goes_on_while_another_sleeps():
    diary = Diary()

    def slow(ctx: Context) -> str:
        ctx.step.sleep("nap", 60)
        return ctx.step.run("after", diary.write, "slow")

    def quick(ctx: Context) -> str:
        ctx.step.run("before", diary.write, "quick 1")
        return ctx.step.run("after", diary.write, "quick 2")

    def handler(ctx: Context) -> list[str]:
        return list(ctx.step.parallel((lambda: slow(ctx), lambda: quick(ctx))))

    with registered(handler):
        send(Event(name="test/go"))
        drain()
        assert diary.entries == ["quick 1", "quick 2"]
        travel(timedelta(seconds=61))
        drain()
    assert Run.objects.get().output == ["slow", "quick 2"]
    assert diary.entries == ["quick 1", "quick 2", "slow"]


def test_a_failing_branch_is_raised_when_the_others_have_ended_and_can_be_caught():
    diary = Diary()

    def handler(ctx: Context) -> str:
        try:
            ctx.step.parallel(
                (
                    lambda: ctx.step.run("bad", diary.fail_times, "bad", 9),
                    lambda: ctx.step.run("good", diary.write, "good"),
                )
            )
        except StepError as error:
            return error.step_id
        return "none"

    with registered(handler, retries=1):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=2))
        drain()
    assert Run.objects.get().output == "bad"
    assert diary.entries.count("good") == 1


def test_a_branch_that_backs_off_is_not_hurried_by_another_that_is_woken():
    diary = Diary()

    def handler(ctx: Context) -> list[object]:
        return list(
            ctx.step.parallel(
                (
                    lambda: ctx.step.run("flaky", diary.fail_times, "flaky", 1),
                    lambda: ctx.step.wait_for_event("w", event="test/paid", timeout=600) and 1,
                )
            )
        )

    with registered(handler, backoff=[60]):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=2))
        send(Event(name="test/paid"))
        drain()
        assert diary.entries == ["flaky"]
        travel(timedelta(seconds=60))
        drain()
    assert Run.objects.get().status == RunStatus.COMPLETED
    assert diary.entries == ["flaky", "flaky"]


def test_a_branch_and_its_step_are_told_their_own_attempt_and_not_their_neighbours():
    seen: dict[str, list[tuple[int, int]]] = {"twice": [], "never": [], "once": []}

    def flaky(ctx: Context, id: str, failures: int, told: int) -> None:
        seen[id].append((told, ctx.attempt))
        if ctx.attempt < failures:
            raise ValueError("not yet")

    def handler(ctx: Context) -> None:
        def branch(id: str, failures: int) -> None:
            ctx.step.run(id, flaky, ctx, id, failures, ctx.attempt)

        failures = {"twice": 2, "never": 0, "once": 1}
        ctx.step.parallel([partial(branch, *pair) for pair in failures.items()])

    assert ran(handler, skip_time=True, retries=2).status == "completed"
    assert seen == {
        "twice": [(0, 0), (1, 1), (2, 2)],
        "never": [(0, 0)],
        "once": [(0, 0), (1, 1)],
    }
