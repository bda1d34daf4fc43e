"""A step is done in the function's own thread; threads may work within a step."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.api import Context
from tests.support.functions import Diary, ran
from tests.support.interruptions import errors

pytestmark = pytest.mark.django_db(transaction=True)


def in_a_thread(*call):
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(*call).result()


@pytest.mark.parametrize("kind", ["atomic", "outside", "sleep", "wait_for_event", "send_event"])
def test_a_step_that_is_asked_for_in_another_thread_is_refused_before_it_does_anything(kind):
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("first", diary.write, "first")
        asked = {
            "atomic": lambda: ctx.step.run("second", diary.write, "second"),
            "outside": lambda: ctx.step.run("second", diary.write, "second", atomic=False),
            "sleep": lambda: ctx.step.sleep("second", 60),
            "wait_for_event": lambda: ctx.step.wait_for_event("second", event="test/paid"),
            "send_event": lambda: ctx.step.send_event("second", []),
        }
        in_a_thread(asked[kind])

    run = ran(handler, retries=3)
    assert run.status == "failed"
    assert run.error["message"].startswith("Step “second” was asked for in a thread that")
    assert len(errors(run)) == 1
    assert diary.entries == [step.name for step in run.steps.all()] == ["first"]


def test_threads_may_work_within_a_step():
    def handler(ctx: Context) -> list[int]:
        return ctx.step.run("squares", lambda: [in_a_thread(pow, n, 2) for n in range(3)])

    assert ran(handler).output == [0, 1, 4]
