"""Runs that the clock or an event cancels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from jobs.api import Cancel, Concurrency, Context, Event, InvalidFunction, Timeouts, send
from jobs.execution.executor import execute
from jobs.maintenance import sweeper
from jobs.models import Run, RunStatus
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import at_once, registered

pytestmark = pytest.mark.django_db


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def statuses() -> list[str]:
    runs = Run.objects.filter(fn_id="test-function").order_by("id")
    return list(runs.values_list("status", flat=True))


def test_a_run_that_does_not_finish_in_time_is_cancelled_with_the_reason():
    with registered(naps, timeouts=Timeouts(finish=60)):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=61))
        drain()
    run = Run.objects.get(fn_id="test-function")
    assert run.status == RunStatus.CANCELLED
    assert "timeouts.finish" in run.error["message"]


def test_a_run_that_does_not_start_in_time_is_cancelled_and_one_that_did_is_not():
    one_at_a_time = [Concurrency(limit=1)]
    with registered(naps, timeouts=Timeouts(start=60), concurrency=one_at_a_time):
        send([Event(name="test/go"), Event(name="test/go")])
        drain()
        travel(timedelta(seconds=61))
        drain()
        assert statuses() == [RunStatus.WAITING, RunStatus.CANCELLED]
        travel(timedelta(hours=1))
        drain()
    assert statuses() == [RunStatus.COMPLETED, RunStatus.CANCELLED]


def test_a_run_that_starts_while_a_sweep_is_about_to_cancel_it_is_spared(monkeypatch):
    with registered(naps, timeouts=Timeouts(start=60)):
        send(Event(name="test/go"))
        travel(timedelta(seconds=61))
        for how in ("cancel_in_sets", "_cancel_if_expired"):
            monkeypatch.setattr(sweeper, how, it_starts_before(getattr(sweeper, how)))
        sweeper.sweep()
    assert statuses() == [RunStatus.WAITING]


def it_starts_before(cancel: Callable[..., Any]) -> Callable[..., Any]:
    def cancel_late(*given: Any, **options: Any) -> Any:
        for claimed in claim_due(1):
            execute(claimed)
        return cancel(*given, **options)

    return cancel_late


def test_a_sweep_cancels_many_with_as_many_statements_as_few():
    counts = []
    with registered(naps, timeouts=Timeouts(start=60)):
        for many in (2, 60):
            send([Event(name="test/go") for _ in range(many)])
            travel(timedelta(seconds=61))
            with CaptureQueriesContext(connection) as queries:
                sweeper.sweep()
            counts.append(len(queries))
    assert set(statuses()) == {RunStatus.CANCELLED}
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_a_locked_run_keeps_no_sweep_waiting():
    with registered(naps, timeouts=Timeouts(finish=60)):
        send([Event(name="test/go"), Event(name="test/go")])
        drain()
        travel(timedelta(seconds=61))
        with transaction.atomic():
            busy = Run.objects.select_for_update().order_by("id").first()
            assert at_once(sweeper.sweep) == [0]
            assert statuses() == [RunStatus.WAITING, RunStatus.CANCELLED]
        sweeper.sweep()
        busy.refresh_from_db()
    assert busy.status == RunStatus.CANCELLED


def test_an_event_cancels_the_runs_that_its_condition_names_and_no_others():
    rule = Cancel(event="test/stop", if_exp="async.data.user == event.data.user")
    with registered(naps, cancel_on=[rule]):
        send([Event(name="test/go", data={"user": 1}), Event(name="test/go", data={"user": 2})])
        drain()
        travel(timedelta(seconds=1))
        send(Event(name="test/stop", data={"user": 2}))
        drain()
    assert statuses() == [RunStatus.WAITING, RunStatus.CANCELLED]


def test_a_run_that_came_after_the_event_is_not_cancelled_by_it():
    with registered(naps, cancel_on=[Cancel(event="test/stop")]):
        send(Event(name="test/stop"))
        travel(timedelta(seconds=1))
        send(Event(name="test/go"))
        drain()
    assert statuses() == [RunStatus.WAITING]


def test_a_rule_with_a_timeout_spares_runs_that_are_older():
    with registered(naps, cancel_on=[Cancel(event="test/stop", timeout=600)]):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=601))
        send(Event(name="test/stop"))
        drain()
    assert statuses() == [RunStatus.WAITING]


@pytest.mark.parametrize(
    "options",
    [
        {"timeouts": Timeouts(finish=0)},
        {"timeouts": Timeouts(start=timedelta(seconds=-1))},
        {"cancel_on": [Cancel(event="e", if_exp="async.data.")]},
    ],
)
def test_bad_options_are_refused_at_start(options: dict):
    with pytest.raises(InvalidFunction), registered(naps, **options):
        pass
