"""A run that ended awaits nothing: senders have no work with it, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.api import Context, Event, Timeouts, TriggerEvent, bulk, cancel, rerun, send
from jobs.models import Run, RunStatus, Step, StepStatus
from jobs.testing import drain, travel
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db


def waits(ctx: Context) -> Any:
    paid = ctx.step.wait_for_event("paid", event="test/paid", timeout=3_600)
    return paid and paid.data


def fails_beside_a_wait(ctx: Context) -> Any:
    def fails() -> None:
        raise ValueError("no")

    return ctx.step.parallel(
        lambda: ctx.step.wait_for_event("paid", event="test/paid", timeout=3_600),
        lambda: ctx.step.run("fails", fails),
    )


def returns_without_its_wait(ctx: Context) -> str:
    """Its code is changed while it waits."""
    return "done"


def awaited() -> int:
    return Step.objects.filter(status=StepStatus.WAITING).exclude(awaits="").count()


def cancel_singly() -> None:
    cancel(the_run().id)


def cancel_in_bulk() -> None:
    bulk("cancel", fn_id="test-function")
    drain()


def let_its_time_pass() -> None:
    travel(timedelta(minutes=31))
    drain()


@pytest.mark.parametrize("end", [cancel_singly, cancel_in_bulk, let_its_time_pass])
def test_a_cancelled_run_awaits_nothing(end: Callable[[], None]):
    with registered(waits, timeouts=Timeouts(finish=1800)):
        go()
        drain()
        assert awaited() == 1
        end()
    assert (the_run().status, awaited()) == (RunStatus.CANCELLED, 0)


def test_a_failed_run_awaits_nothing():
    with registered(fails_beside_a_wait, retries=0):
        go()
        drain()
    assert (the_run().status, awaited()) == (RunStatus.FAILED, 0)


def test_a_run_that_completes_without_its_wait_awaits_nothing():
    with registered(waits):
        go()
        drain()
    with registered(returns_without_its_wait):
        send(Event(name="test/paid", data={}))
        drain()
    assert (the_run().status, awaited()) == (RunStatus.COMPLETED, 0)


def test_a_retried_run_awaits_its_event_again():
    with registered(waits):
        run = go()
        drain()
        cancel(run.id)
        rerun(run.id)
        drain()
        assert awaited() == 1
        send(Event(name="test/paid", data={"by": "card"}))
        drain()
    done = Run.objects.filter(fn_id="test-function", status=RunStatus.COMPLETED).get()
    assert done.output == {"by": "card"}


def test_the_statements_of_a_send_do_not_depend_on_how_many_waits_were_cancelled():
    asked = []
    with registered(waits, trigger=TriggerEvent(event="test/go")):
        for count in (0, 20):
            for _ in range(count):
                go()
            drain()
            bulk("cancel", fn_id="test-function")
            drain()
            with CaptureQueriesContext(connection) as queries:
                send(Event(name="test/paid", data={}))
            asked.append([query["sql"] for query in queries])
    assert len(asked[0]) == len(asked[1])
    assert not any("jobs_event" in sql and "JOIN" in sql for sql in asked[1])
