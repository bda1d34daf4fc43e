"""The same event id within 24 hours starts nothing new."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from jobs.api import Event, send
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.testing import drain, travel
from tests.functions import Diary, at_once, registered, three_steps

ORDER = Event(name="test/go", id="order-7")


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
