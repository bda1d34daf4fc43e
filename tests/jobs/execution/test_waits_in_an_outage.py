"""A wait whose look at the database fails is looked for again: the function does not hear of it."""

from __future__ import annotations

import contextlib

import pytest

from jobs.api import Context, Event, send
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.functions import go, registered
from tests.support.interruptions import cut_off, errors

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("cuts its session off"),
]


def waits(ctx: Context) -> object:
    came = ctx.step.wait_for_event("payment", event="test/paid", timeout=3600)
    return came and came.data


def invokes(ctx: Context) -> object:
    return ctx.step.invoke("other", function="other")


def other(ctx: Context) -> object:
    came = ctx.step.wait_for_event("payment", event="test/paid", timeout=3600)
    return came and came.data


@pytest.mark.parametrize("wait", [waits, invokes])
@pytest.mark.parametrize("look", [1, 2])
def test_an_error_of_the_database_at_a_wait_is_none_of_the_functions(wait, look):
    executions = []

    def handler(ctx: Context) -> object:
        executions.append(ctx.run_id)
        if len(executions) == look:
            with contextlib.suppress(Exception):
                cut_off()
        try:
            return wait(ctx)
        except Exception as error:
            return str(error)

    with (
        registered(other, fn_id="other", trigger=[]),
        registered(handler, retries=0),
    ):
        go()
        drain()
        travel(10)
        drain()
        send(Event(name="test/paid", data={"n": 1}))
        drain()
    run = Run.objects.get(fn_id="test-function")
    assert (run.status, run.output, errors(run)) == ("completed", {"n": 1}, [])
