"""A function that cancels its own run: it ends there, what it had not committed is void, and it is
a cancellation like any other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from jobs.api import Context, Event, TriggerEvent, cancel, send
from jobs.models import Run
from jobs.testing import drain
from songs.models import Category
from tests.support.functions import Diary, go, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)


def create(name: str) -> None:
    Category.objects.create(name=name, folded=name)


def between_steps(ctx: Context) -> None:
    cancel(ctx.run_id, why="enough")


def in_a_step(ctx: Context) -> None:
    ctx.step.run("stop", cancel, ctx.run_id, why="enough")


def outside_a_transaction(ctx: Context) -> None:
    ctx.step.run("stop", cancel, ctx.run_id, why="enough", atomic=False)


def in_a_branch(ctx: Context) -> None:
    ctx.step.parallel([lambda: ctx.step.sleep("nap", 60), lambda: between_steps(ctx)])


def behind_a_bare_except(ctx: Context) -> None:
    with contextlib.suppress(BaseException):
        between_steps(ctx)


STOP = TriggerEvent(event="test/stop")
WAYS = [between_steps, in_a_step, outside_a_transaction, in_a_branch, behind_a_bare_except]


@pytest.mark.parametrize("stop", WAYS)
def test_wherever_it_says_so_it_ends_there_and_is_cancelled_once(stop: Callable[[Context], Any]):
    diary = Diary()

    def handler(ctx: Context) -> str:
        ctx.step.run("kept", diary.write, "kept", atomic=False)
        stop(ctx)
        ctx.step.run("never", diary.write, "never", atomic=False)
        return "never"

    with registered(handler, on_cancel=lambda ctx: diary.write("on_cancel")):
        go()
        drain()
    run = the_run()
    assert (run.status, run.output, run.lease_token) == ("cancelled", None, None)
    assert run.error["message"] == "enough"
    assert diary.entries == ["kept", "on_cancel"]
    assert [step.name for step in run.steps.filter(status="completed")] == ["kept"]
    assert Run.objects.count() == 2


def test_what_was_not_committed_is_void():
    def handler(ctx: Context) -> None:
        ctx.step.run("create", create, "void")
        cancel(ctx.run_id)

    with registered(handler):
        go()
        drain()
    assert the_run().status == "cancelled"
    assert not Category.objects.exists()


def test_a_run_of_another_function_is_cancelled_and_the_canceller_goes_on():
    with (
        registered(lambda ctx: ctx.step.sleep("nap", 60), fn_id="other"),
        registered(lambda ctx: ctx.step.run("stop", cancel, ctx.event.data["id"]), trigger=STOP),
    ):
        send(Event(name="test/go"))
        drain()
        send(Event(name="test/stop", data={"id": str(the_run("other").id)}))
        drain()
    assert the_run("other").status == "cancelled"
    assert (the_run().status, the_run().output) == ("completed", True)
