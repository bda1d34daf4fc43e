"""Runs would wait for each other for ever: the invocation that closes the circle is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobs.api import Concurrency, Context, Event, StepError, rerun, send
from jobs.execution.executor import execute
from jobs.maintenance import turn_repair
from jobs.models import Reason, Run, RunStatus
from jobs.runs import deadlocks
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db

ONE, TWO = [Concurrency(limit=1)], [Concurrency(limit=2)]
PER_USER = [Concurrency(limit=1, key="event.data.user")]
BOTH = [Concurrency(limit=9), Concurrency(limit=1, key="event.data.user")]


def invokes(*others: str, user: int = 1) -> Callable[[Context], int]:
    """Invokes the first of these with the rest of the chain, as deep as its event says."""

    def handler(ctx: Context) -> int:
        n = ctx.event.data["n"]
        if n == 0:
            return 0
        data = {"n": n - 1, "user": user}
        return 1 + ctx.step.invoke("child", function=others[0], data=data)

    return handler


def start(n: int, **data: Any) -> Event:
    return Event(name="test/go", data={"n": n, "user": 1} | data)


def runs(fn_id: str) -> list[Run]:
    return list(Run.objects.filter(fn_id=fn_id).order_by("created_at", "id"))


def refusal(run: Run) -> str:
    """What the failed step of a run says that it is."""
    return run.error["cause"]["name"]


def statuses() -> set[str]:
    return set(Run.objects.values_list("status", flat=True))


@pytest.mark.parametrize("concurrency", [ONE, PER_USER, BOTH], ids=["all", "by key", "two lines"])
def test_a_run_that_invokes_its_own_function_is_told_the_line_at_once(concurrency):
    with registered(invokes("a"), fn_id="a", concurrency=concurrency):
        send(start(1))
        drain()
    (run,) = runs("a")
    assert (run.status, refusal(run)) == (RunStatus.FAILED, "InvalidStep")
    assert "step “child” failed" in run.error["message"]
    assert f"in the line {run.turn_keys[-1]}" in run.error["message"]


def test_for_another_key_it_may():
    with registered(invokes("a", user=2), fn_id="a", concurrency=PER_USER):
        send(start(1))
        drain()
    assert [run.output for run in runs("a")] == [1, 0]


def test_over_a_chain_the_run_that_closes_it_is_refused_and_the_line_opens_again():
    with (
        registered(invokes("b"), fn_id="a", concurrency=ONE),
        registered(invokes("c"), fn_id="b", trigger=[]),
        registered(invokes("a"), fn_id="c", trigger=[]),
    ):
        send([start(3), start(0)])
        drain()
    assert [run.status for run in runs("a")] == [RunStatus.FAILED, RunStatus.COMPLETED]
    (last,) = runs("c")
    assert refusal(last) == "InvalidStep"


def test_of_two_parents_that_hold_both_turns_the_second_is_refused_and_the_first_goes_on():
    with registered(invokes("a"), fn_id="a", concurrency=TWO):
        send([start(1), start(1)])
        drain()
    first, second, child = runs("a")
    assert (first.output, child.output) == (1, 0)
    assert refusal(second) == "InvalidStep"


def test_a_line_whose_other_turn_is_held_by_a_run_that_goes_on_is_waited_for():
    def handler(ctx: Context) -> int:
        if ctx.event.data.get("sleeps"):
            ctx.step.sleep("nap", 3600)
            return 0
        return invokes("a")(ctx)

    with registered(handler, fn_id="a", concurrency=TWO):
        send([start(0, sleeps=True), start(1)])
        drain()
        assert runs("a")[-1].reason == Reason.TURN
        travel(timedelta(hours=1))
        drain()
    assert [run.output for run in runs("a")] == [0, 1, 0]


def test_a_line_whose_limit_was_raised_is_looked_at_with_the_limit_of_each_run():
    with registered(invokes("a"), fn_id="a", concurrency=ONE):
        send(start(1))
        (claimed,) = claim_due(1)
    with registered(invokes("a"), fn_id="a", concurrency=TWO):
        execute(claimed)
        drain()
    assert [run.output for run in runs("a")] == [1, 0]


def test_a_parent_that_does_not_wait_any_more_is_in_no_circle():
    def parent(ctx: Context) -> str:
        try:
            ctx.step.invoke("b", function="b", data={"n": 1, "user": 1}, timeout=60)
        except StepError:
            ctx.step.sleep("nap", 3600)
        return "done"

    def slow(ctx: Context) -> int:
        ctx.step.sleep("nap", 600)
        return ctx.step.invoke("a", function="a", data={"n": 0})

    def either(ctx: Context) -> object:
        return parent(ctx) if ctx.event.data["n"] else 0

    with (
        registered(either, fn_id="a", concurrency=ONE),
        registered(slow, fn_id="b", trigger=[]),
    ):
        send(start(1))
        for seconds in (0, 61, 600, 3600):
            travel(timedelta(seconds=seconds))
            drain()
    assert statuses() == {RunStatus.COMPLETED}


def test_the_function_may_catch_the_refusal_which_is_remembered():
    refused = []

    def handler(ctx: Context) -> str:
        if ctx.event.data["n"] == 0:
            return "done"
        try:
            return ctx.step.invoke("child", function="a", data={"n": 0})
        except StepError as error:
            refused.append(error.name)
        ctx.step.sleep("nap", 60)
        return "gone another way"

    with registered(handler, fn_id="a", concurrency=ONE):
        send(start(1))
        drain()
        Run.objects.update(turn_limits=[2])  # there would be no circle any more
        travel(timedelta(seconds=61))
        drain()
    assert [run.output for run in runs("a")] == ["gone another way"]
    assert refused == ["InvalidStep", "InvalidStep"]


def test_a_person_may_retry_it_when_the_line_has_room():
    with registered(invokes("a"), fn_id="a", concurrency=TWO):
        send([start(1), start(1)])
        drain()
        refused = runs("a")[1]
        rerun(refused.id)
        drain()
    refused.refresh_from_db()
    assert (refused.status, refused.output) == (RunStatus.COMPLETED, 1)


@pytest.fixture
def unseen(monkeypatch):
    """Each invocation is made before those that would tell it of the circle are committed."""
    monkeypatch.setattr(deadlocks, "line_shut_by", lambda child, parent: "")


@pytest.mark.usefixtures("unseen")
def test_a_circle_that_two_have_closed_together_is_found_by_the_sweep():
    with registered(invokes("a"), fn_id="a", concurrency=TWO):
        send([start(1), start(1)])
        for claimed in claim_due(2):
            execute(claimed)
        assert [run.fn_id for run in Run.objects.filter(invoked_by=None)] == ["a", "a"]
        claim_due(9)
        assert turn_repair.repair_turns() == 1
        drain()
    failed = Run.objects.filter(status=RunStatus.FAILED).order_by("created_at", "id")
    parent, child = failed
    assert (child.invoked_by_id, child.error["name"]) == (parent.id, "InvalidStep")
    assert "in the line a:0:null" in parent.error["message"]
    assert Run.objects.filter(status=RunStatus.COMPLETED).count() == 2


@pytest.mark.usefixtures("unseen")
@pytest.mark.parametrize("concurrency", [ONE, PER_USER, BOTH], ids=["all", "by key", "two lines"])
def test_and_so_is_one_behind_which_others_wait(concurrency):
    with registered(invokes("a"), fn_id="a", concurrency=concurrency):
        send([start(1), *(start(0) for _ in range(3))])
        drain()
    assert [run.status for run in runs("a")].count(RunStatus.COMPLETED) == 3
    assert statuses() == {RunStatus.COMPLETED, RunStatus.FAILED}


def test_a_line_that_is_full_of_runs_that_can_go_on_is_left_alone_by_the_sweep():
    with (
        registered(invokes("b"), fn_id="a", concurrency=ONE),
        registered(lambda ctx: ctx.step.sleep("nap", 3600), fn_id="b", trigger=[]),
    ):
        send([start(1), start(1)])
        drain()
        assert turn_repair.repair_turns() == 0
    assert statuses() == {RunStatus.WAITING, RunStatus.QUEUED}
