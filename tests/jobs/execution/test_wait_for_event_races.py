"""An awaited event is not missed, however long its sender takes to commit."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from jobs.api import Context, Event, send
from jobs.events import wake
from jobs.runs import claiming
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, nap, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)


def waits(ctx: Context) -> str:
    event = ctx.step.wait_for_event("wait", event="song/approved", timeout=timedelta(days=7))
    return event.data["by"] if event else "nobody"


class SlowSender(threading.Thread):
    """Sends at once and commits when it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self.may_commit = threading.Event(), threading.Event()

    def run(self) -> None:
        with transaction.atomic():
            send(Event(name="song/approved", data={"by": "olga"}))
            self.sent.set()
            self.may_commit.wait(30)
        connection.close()


def begun() -> SlowSender:
    sender = SlowSender()
    sender.start()
    assert sender.sent.wait(10)
    return sender


def test_an_event_that_is_committed_just_after_the_wait_has_begun_is_found_soon():
    with registered(waits):
        go()
        sender = begun()
        drain()
        assert the_run().reason == "event"
        sender.may_commit.set()
        sender.join()
        travel(timedelta(seconds=2))
        drain()
    assert the_run().output == "olga"


def test_an_event_that_is_committed_long_after_the_wait_has_begun_is_found_soon_as_well():
    with registered(waits):
        go()
        sender = begun()
        drain()
        travel(timedelta(seconds=10))
        drain()
        sender.may_commit.set()
        sender.join()
        travel(timedelta(minutes=5))
        drain()
    assert the_run().output == "olga"


def test_a_run_that_is_woken_while_a_worker_has_it_keeps_no_cluster_busy():
    with registered(nap(Diary())):
        run = go()
        (_,) = claim_due(10)
        wake.wake_runs([run.id])
        assert claim_due(10) == []
        assert claiming.next_due(1.0) > 0.9
