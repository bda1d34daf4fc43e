"""The same event id within 24 hours starts nothing new."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils.html import strip_tags

from jobs.api import Context, Event, InvalidEvent, TriggerEvent, send
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.functions import Diary, at_once, registered, three_steps

ORDER = Event(name="test/go", id="order-7")


@dataclass
class Numbered:
    number: int


def at_rest(ctx: Context) -> None:
    """Nothing to do."""


@pytest.fixture(autouse=True)
def function():
    with registered(three_steps(Diary())):
        yield


@pytest.mark.django_db
def test_a_repeat_is_answered_with_the_first_events_id_and_starts_nothing():
    first = send(ORDER)
    drain()

    assert send(ORDER) == first
    assert (EventRow.objects.count(), Run.objects.count()) == (1, 1)


@pytest.mark.django_db
def test_after_24_hours_the_id_is_free_again():
    first = send(ORDER)
    travel(timedelta(hours=23))
    assert send(ORDER) == first

    travel(timedelta(hours=2))
    assert send(ORDER) != first
    assert Run.objects.count() == 2


@pytest.mark.django_db
def test_events_without_an_id_are_never_repeats():
    send([Event(name="test/go"), Event(name="test/go")])

    assert Run.objects.count() == 2


@pytest.mark.django_db
def test_a_repeat_within_one_batch_is_one_event():
    ids = send([ORDER, Event(name="test/go"), ORDER])

    assert ids[0] == ids[2] != ids[1]
    assert Run.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_in_a_transaction", [False, True])
def test_a_list_of_known_and_new_events_starts_the_new_ones(is_in_a_transaction):
    (known,) = send(ORDER)
    with transaction.atomic() if is_in_a_transaction else nullcontext():
        again, new, _ = send([ORDER, Event(name="test/go", id="order-8"), Event(name="test/go")])

    assert again == known != new
    assert (EventRow.objects.count(), Run.objects.count()) == (3, 3)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_in_a_transaction", [False, True])
def test_an_event_with_an_id_wakes_the_step_that_waits_for_it(is_in_a_transaction):
    def wait(ctx: Context) -> Any:
        return ctx.step.wait_for_event("paid", event="test/paid", timeout=60).id

    with registered(wait, fn_id="test-wait", trigger=TriggerEvent(event="test/wait")):
        send(Event(name="test/wait"))
        drain()
        with transaction.atomic() if is_in_a_transaction else nullcontext():
            send(Event(name="test/paid", id="bill-1"))
        drain()

    assert Run.objects.get().output == "bill-1"


@pytest.mark.django_db(transaction=True)
def test_a_repeat_whose_data_do_not_fit_is_answered_like_any_other():
    """The first one stands, whatever comes under its id."""
    typed = TriggerEvent(event="test/typed", data=Numbered)
    with registered(at_rest, fn_id="test-typed", trigger=typed):
        first = send(Event(name="test/typed", id="order-1", data={"number": 1}))
        assert send(Event(name="test/typed", id="order-1", data={"number": "one"})) == first
        with pytest.raises(InvalidEvent, match="number"):
            send(Event(name="test/typed", id="order-2", data={"number": "one"}))

    assert Run.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_start_one_run():
    answers = at_once(*[lambda: send(ORDER)] * 6)

    assert len({answer[0] for answer in answers}) == 1
    assert (EventRow.objects.count(), Run.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_an_id_whose_sender_rolled_back_is_free():
    with transaction.atomic():
        send(ORDER)
        transaction.set_rollback(True)

    send(ORDER)
    assert Run.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_senders_of_the_same_ids_in_different_order_do_not_block_each_other():
    batch = [Event(name="test/go", id=f"order-{n}") for n in range(200)]

    there, back = at_once(lambda: send(batch), lambda: send(batch[::-1]))

    assert there == back[::-1]
    assert EventRow.objects.count() == 200


# --- the same id with another fact ----------------------------------------------------------------

PAID = Event(name="test/paid", id=ORDER.id, data={"x": 1})
CHANGED = Event(name="test/go", id=ORDER.id, data={"n": 2, "same": True})


@pytest.mark.django_db
@pytest.mark.parametrize("batches", [[[ORDER], [PAID]], [[ORDER, PAID]], [[PAID, ORDER]]])
def test_another_name_under_the_same_id_is_refused_and_both_are_named(batches):
    *before, last = batches
    for batch in before:
        send(batch)

    with pytest.raises(InvalidEvent) as raised:
        send([Event(name="test/go"), *last])

    assert all(text in str(raised.value) for text in ("test/go", "test/paid", "'order-7'"))
    assert EventRow.objects.count() == len(before)
    assert Run.objects.count() == len(before)


@pytest.mark.django_db
def test_after_24_hours_it_is_an_id_like_any_other():
    send(ORDER)
    travel(timedelta(hours=25))

    send(PAID)
    assert EventRow.objects.filter(dedupe_id=ORDER.id).count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("batches", [[[ORDER], [CHANGED], [CHANGED]], [[ORDER, CHANGED, CHANGED]]])
def test_other_data_start_nothing_and_are_told_in_the_log_and_on_the_first_events_page(
    batches, caplog, admin_client
):
    with caplog.at_level("WARNING", logger="jobs.engine"):
        ids = [id for batch in batches for id in send(batch)]

    event = EventRow.objects.get()
    assert ids == [str(event.id)] * 3
    assert (event.data, Run.objects.count()) == ({}, 1)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 2
    assert all(text in warnings[0] for text in ("test/go", "'order-7'", "n, same", str(event.id)))
    page = admin_client.get(reverse("admin:jobs_event_change", args=[event.pk]))
    text = strip_tags(page.content.decode())
    assert "came again with other data" in text.lower()
    assert "2 times" in text
    assert "{&quot;n&quot;: 2, &quot;same&quot;: true}" in text


@pytest.mark.django_db
def test_an_identical_repeat_says_nothing(caplog, admin_client):
    data = {"b": 1e16, "a": [1.0, {"c": None}]}
    first = Event(name="test/go", id="order-8", data=data)
    send(first)
    send(Event(name="test/go", id="order-8", data=dict(reversed(data.items()))))
    send([first, first])

    event = EventRow.objects.get()
    assert (event.repeat, caplog.records) == (None, [])
    page = admin_client.get(reverse("admin:jobs_event_change", args=[event.pk]))
    assert "came again" not in page.content.decode().lower()


@pytest.mark.django_db
def test_what_is_noted_of_other_data_is_masked_and_cut(settings):
    settings.JOBS = {**settings.JOBS, "SECRETS": ["MODAL_KEY"]}
    settings.MODAL_KEY = "key-of-the-endpoint"
    send(ORDER)
    send(Event(name="test/go", id=ORDER.id, data={"k": settings.MODAL_KEY, "z": "z" * 100_000}))

    noted = EventRow.objects.get().repeat["data"]
    assert noted.startswith('{"k": "[MODAL_KEY]"')
    assert len(noted) < 3_000


@pytest.mark.django_db(transaction=True)
def test_senders_of_other_data_at_once_are_all_counted():
    send(ORDER)
    at_once(
        *[lambda n=n: send(Event(name="test/go", id=ORDER.id, data={"n": n})) for n in range(5)]
    )

    assert EventRow.objects.get().repeat["count"] == 5
    assert Run.objects.count() == 1


@pytest.mark.django_db
def test_in_a_transaction_another_fact_takes_nothing_else_along():
    with transaction.atomic():
        send(ORDER)
        with pytest.raises(InvalidEvent):
            send(PAID)

    assert EventRow.objects.get().name == "test/go"
