"""step.invoke: another function's run, awaited without a worker."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context, Event, NonRetriableError, StepError, cancel, send
from jobs.models import Reason, Run, RunStatus
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db


def caller(ctx: Context) -> object:
    try:
        return ctx.step.invoke("ask", function="callee", data={"n": 4}, timeout=60)
    except StepError as error:
        return f"{error.name}: {error.message}"


def run_of(fn_id: str) -> Run:
    return Run.objects.get(fn_id=fn_id)


def test_the_step_returns_what_the_other_function_returns():
    def callee(ctx: Context) -> int:
        return ctx.step.run("double", lambda: ctx.event.data["n"] * 2)

    with registered(callee, fn_id="callee", trigger=[]), registered(caller):
        send(Event(name="test/go"))
        drain()
    assert run_of("test-function").output == 8
    assert run_of("callee").invoked_by == run_of("test-function")


def test_its_failure_is_a_step_error_that_can_be_caught():
    def callee(ctx: Context) -> None:
        raise NonRetriableError("no such number")

    with registered(callee, fn_id="callee", trigger=[]), registered(caller):
        send(Event(name="test/go"))
        drain()
    assert run_of("test-function").output == "NonRetriableError: no such number"


def test_its_cancellation_is_one_too():
    def callee(ctx: Context) -> None:
        ctx.step.sleep("long", 3600)

    with registered(callee, fn_id="callee", trigger=[]), registered(caller):
        send(Event(name="test/go"))
        drain()
        assert run_of("test-function").reason == Reason.INVOKE
        cancel(run_of("callee").id)
        drain()
    assert "cancelled" in run_of("test-function").output


def test_after_a_timeout_the_caller_goes_on_and_so_does_the_other_run():
    def callee(ctx: Context) -> None:
        ctx.step.sleep("long", 3600)

    with registered(callee, fn_id="callee", trigger=[]), registered(caller):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=61))
        drain()
        assert "not ended in time" in run_of("test-function").output
        travel(timedelta(hours=1))
        drain()
    assert run_of("callee").status == RunStatus.COMPLETED


def test_a_function_that_is_not_registered_fails_the_step_with_its_name():
    with registered(caller, retries=0):
        send(Event(name="test/go"))
        drain()
    run = run_of("test-function")
    assert run.status == RunStatus.FAILED
    assert "callee" in run.error["message"]
