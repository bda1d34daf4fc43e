"""Law 1: the event, its runs and whatever the caller wrote are one fact."""

from __future__ import annotations

import pytest
from django.db import transaction

from jobs import models
from jobs.api import Event, InvalidEvent, send
from jobs.testing import drain
from songs.models import Category
from tests.support.functions import Diary, registered, the_run, three_steps

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def function():
    with registered(three_steps(Diary())):
        yield


def test_what_is_sent_is_an_event_and_a_due_run():
    (event_id,) = send(Event(name="test/go", data={"songId": 7}))

    event = models.Event.objects.get()
    assert (str(event.id), event.name, event.data) == (event_id, "test/go", {"songId": 7})
    run = models.Run.objects.due().get()
    assert (run.fn_id, run.event_id, run.status) == ("test-function", event.id, "queued")


def test_a_committed_transaction_keeps_the_event_its_run_and_the_callers_row():
    with transaction.atomic():
        Category.objects.create(name="Jazz", folded="jazz")
        send(Event(name="test/go"))
    drain()

    assert Category.objects.count() == 1
    assert the_run().status == "completed"


def test_a_rolled_back_transaction_leaves_nothing_behind():
    with transaction.atomic():
        Category.objects.create(name="Jazz", folded="jazz")
        send(Event(name="test/go"))
        transaction.set_rollback(True)

    assert not Category.objects.exists()
    assert not models.Event.objects.exists()
    assert not models.Run.objects.exists()
    assert drain() == 0


def test_one_bad_event_of_a_batch_keeps_out_all_of_them():
    with pytest.raises(InvalidEvent, match="NUL"):
        send([Event(name="test/go"), Event(name="test/go", data={"a": "\0"})])

    assert not models.Event.objects.exists()


def test_a_refused_event_leaves_the_callers_transaction_usable():
    with transaction.atomic():
        Category.objects.create(name="Jazz", folded="jazz")
        with pytest.raises(InvalidEvent, match="reserved"):
            send(Event(name="jobs/anything"))

    assert Category.objects.count() == 1


def test_an_event_that_no_function_listens_to_is_kept_all_the_same():
    send(Event(name="nobody/listens"))

    assert models.Event.objects.count() == 1
    assert not models.Run.objects.exists()


def test_many_events_are_accepted_at_once_in_their_order():
    ids = send([Event(name="test/go", data={"number": n}) for n in range(500)])

    by_id = {str(event.id): event.data["number"] for event in models.Event.objects.all()}
    assert [by_id[event_id] for event_id in ids] == list(range(500))
    assert sorted(ids) == ids
    in_line = models.Run.objects.order_by("id").values_list("event__data__number", flat=True)
    assert list(in_line) == list(range(500))


def test_no_events_are_no_error():
    assert send([]) == []
