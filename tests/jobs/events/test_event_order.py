"""Which of two events came first: by the database's clock, and in one send as they were given."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from jobs.api import Cancel, Context, Event, TriggerEvent, rerun, send
from jobs.models import Event as Row
from jobs.models import Run, RunStatus
from jobs.testing import drain, travel
from tests.support.functions import registered, the_run

pytestmark = pytest.mark.django_db

GO, STOP = Event(name="test/go"), Event(name="test/stop")


def waits(ctx: Context) -> object:
    came = ctx.step.wait_for_event("payment", event="test/paid", timeout=3600)
    return came.data if came else None


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def paid(n: int) -> Event:
    return Event(name="test/paid", data={"n": n})


def statuses() -> list[str]:
    runs = Run.objects.filter(fn_id="test-function").order_by("id")
    return list(runs.values_list("status", flat=True))


def test_an_awaited_event_later_in_the_list_of_the_runs_own_is_not_missed():
    with registered(waits):
        send([GO, paid(1)])
        drain()
    assert the_run().output == {"n": 1}


def test_an_awaited_event_earlier_in_the_list_is_not_taken():
    with registered(waits):
        send([paid(1), GO])
        drain()
        assert the_run().status == RunStatus.WAITING
        send(paid(2))
        drain()
    assert the_run().output == {"n": 2}


def test_of_several_awaited_events_in_a_list_the_first_is_taken():
    with registered(waits):
        send([paid(0), GO, *(paid(n) for n in range(1, 40))])
        drain()
    assert the_run().output == {"n": 1}


def test_two_sends_of_one_transaction_are_in_their_order():
    with registered(waits):
        with transaction.atomic():
            send(paid(1))
            send(GO)
            send(paid(2))
        drain()
    assert the_run().output == {"n": 2}


def test_a_step_that_sends_a_list_sends_it_in_its_order():
    def sends(ctx: Context) -> None:
        ctx.step.send_event("both", [Event(name="test/begin"), paid(1)])

    begin = TriggerEvent(event="test/begin")
    with registered(sends), registered(waits, fn_id="waiter", trigger=begin):
        send(GO)
        drain()
    assert the_run("waiter").output == {"n": 1}


def test_a_run_that_waits_for_events_of_its_own_name_does_not_take_its_own():
    def handler(ctx: Context) -> object:
        came = ctx.step.wait_for_event("next", event="test/go", timeout=3600)
        return came.data["n"] if came else None

    with registered(handler):
        send([Event(name="test/go", data={"n": n}) for n in range(3)])
        drain()
    outputs = Run.objects.filter(status=RunStatus.COMPLETED).order_by("id")
    assert list(outputs.values_list("output", flat=True)) == [1, 2]


@pytest.mark.parametrize(
    ("sent", "left"),
    [([GO, STOP], RunStatus.CANCELLED), ([STOP, GO], RunStatus.WAITING)],
    ids=["stop after go", "stop before go"],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["in a list", "in a transaction"])
def test_an_event_cancels_the_runs_of_events_before_it(sent, left, at_once):
    with registered(naps, cancel_on=[Cancel(event="test/stop")]):
        with transaction.atomic():
            for part in [sent] if at_once else [[event] for event in sent]:
                send(part)
        drain()
    assert statuses() == [left]


def test_a_rerun_that_was_asked_for_after_the_event_is_not_cancelled_by_it():
    with registered(naps, cancel_on=[Cancel(event="test/stop")]):
        send(GO)
        drain()
        Run.objects.update(status="failed", ended_at=Row.objects.get().received_at, due_at=None)
        travel(timedelta(seconds=1))
        send(STOP)
        travel(timedelta(seconds=1))
        rerun(the_run().id, from_start=True)
        drain()
    assert the_run().status == RunStatus.WAITING


def test_an_event_whose_id_comes_again_a_day_later_cancels_what_came_before_each():
    with registered(naps, cancel_on=[Cancel(event="test/stop")]):
        send(Event(name="test/stop", id="one"))
        travel(timedelta(hours=12))
        send(GO)
        travel(timedelta(hours=13))
        drain()
        assert statuses() == [RunStatus.WAITING]
        send(Event(name="test/stop", id="one"))
        drain()
    assert statuses() == [RunStatus.CANCELLED]
