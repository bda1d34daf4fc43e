"""`step.wait_for_event(data=Order)`: the awaited event's data in the author's type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from jobs.api import Context, Event, TriggerEvent, send
from jobs.testing import drain, ran, registered, the_run, travel

pytestmark = pytest.mark.django_db


@dataclass
class Payment:
    orderId: int
    amount: Decimal


def waits(**options: Any) -> Any:
    def handler(ctx: Context) -> Any:
        paid = ctx.step.wait_for_event("paid", event="test/paid", data=Payment, **options)
        ctx.step.sleep("nap", 60)
        seen.append(paid and paid.data)
        return paid and paid.data.amount * 2

    seen: list[Any] = []
    handler.seen = seen  # type: ignore[attr-defined]
    return handler


def test_the_awaited_events_data_is_of_the_type_at_first_and_in_a_replay():
    handler = waits()
    with registered(handler):
        send(Event(name="test/go"))
        drain()
        send(Event(name="test/paid", data=Payment(7, Decimal("1.50"))))
        drain()
        travel(timedelta(minutes=1))
        drain()
    assert the_run().output == "3.00"
    assert handler.seen == [Payment(7, Decimal("1.50"))]


def test_without_an_event_there_is_no_data():
    assert ran(waits(timeout=5), skip_time=True).status == "completed"


def test_data_that_does_not_fit_fails_the_run_at_once_and_names_event_and_place():
    with registered(waits(), retries=3):
        send(Event(name="test/go"))
        drain()
        (event_id,) = send(Event(name="test/paid", data={"orderId": "x", "amount": 1}))
        drain()
    run = the_run()
    assert (run.status, run.error["name"], run.attempts.count()) == ("failed", "InvalidOutput", 1)
    assert run.error["message"] == (
        f"The data of event {event_id}, which step “paid” has taken, does not fit Payment: "
        "it.orderId is 'x'; a whole number is allowed."
    )


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("async.data.ordrId == 1", r"async.data \(Payment\) has orderId, amount. Did you mean"),
        ("async.data.orderId == event.data.ordr", r"event.data \(Payment\) has orderId, amount"),
    ],
)
def test_a_condition_reads_names_that_the_types_have(condition, sentence):
    trigger = TriggerEvent(event="test/go", data=Payment)
    run = ran(waits(if_exp=condition), {"orderId": 7, "amount": 1}, trigger=trigger, retries=3)
    assert (run.status, run.error["name"], run.attempts.count()) == (
        "failed",
        "InvalidExpression",
        1,
    )
    assert re.search(sentence, run.error["message"])
