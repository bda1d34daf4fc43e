"""What a tick does while an earlier run is unfinished."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from jobs.api import (
    Concurrency,
    Context,
    Event,
    InvalidFunction,
    TriggerCron,
    TriggerEvent,
    cancel,
    rerun,
    send,
)
from jobs.maintenance import cron
from jobs.models import CronSchedule, Run, RunStatus
from jobs.registry.rows import sync
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db

LINE = "0 0 29 2 *"  # no tick of its own comes while a test runs
STARTING, SKIPPING = TriggerCron(cron=LINE), TriggerCron(cron=LINE, if_running="skip")
ONE = [Concurrency(limit=1)]


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def runs() -> Any:
    return Run.objects.filter(fn_id="test-function").order_by("id")


def row() -> CronSchedule:
    return CronSchedule.objects.get(fn_id="test-function")


def ticks(number: int) -> None:
    """One after the other, each with what it starts."""
    for _ in range(number):
        CronSchedule.objects.filter(fn_id="test-function").update(next_at=Now())
        drain()


def test_ticks_of_a_function_that_is_running_start_runs_of_their_own_unless_said():
    with registered(naps, trigger=STARTING):
        cron.sync()
        ticks(3)
    assert [run.status for run in runs()] == [RunStatus.WAITING] * 3


def test_with_skip_a_tick_starts_none_while_a_run_is_unfinished():
    with registered(naps, trigger=SKIPPING):
        cron.sync()
        ticks(3)
        assert runs().count() == 1
        travel(timedelta(hours=1))
        drain()
        ticks(1)
    assert [run.status for run in runs()] == [RunStatus.COMPLETED, RunStatus.WAITING]


def test_with_skip_runs_that_something_else_started_count_too():
    with registered(naps, trigger=[SKIPPING, TriggerEvent(event="test/go")]):
        cron.sync()
        send(Event(name="test/go"))
        drain()
        ticks(2)
        cancel(runs().get().id)
        ticks(2)
    assert [run.status for run in runs()] == [RunStatus.CANCELLED, RunStatus.WAITING]


def test_with_skip_a_retried_run_counts_too():
    with registered(naps, trigger=SKIPPING):
        cron.sync()
        ticks(1)
        cancel(runs().get().id)
        rerun(runs().get().id)
        ticks(2)
    assert runs().count() == 1


def test_ticks_that_find_an_earlier_one_in_the_line_start_none():
    with registered(naps, trigger=STARTING, concurrency=ONE):
        cron.sync()
        ticks(5)
        assert [run.reason for run in runs()] == ["sleep", "turn"]
        travel(timedelta(hours=1))
        drain()
        ticks(5)
        statuses = [run.status for run in runs()]
    assert statuses == [RunStatus.COMPLETED, RunStatus.WAITING, RunStatus.QUEUED]


def test_ticks_that_start_none_are_counted_and_said_once(caplog):
    with registered(naps, trigger=SKIPPING):
        cron.sync()
        with caplog.at_level(logging.WARNING, logger="jobs.engine"):
            ticks(4)
        assert row().held == 3
        (record,) = caplog.records
        assert LINE in record.getMessage()
        assert "a run of its function is unfinished" in record.getMessage()
        travel(timedelta(hours=1))
        drain()
        ticks(1)
    assert row().held == 0


def test_the_functions_page_tells_of_its_ticks(admin_client: Client):
    with registered(naps, trigger=SKIPPING):
        sync()
        cron.sync()
        ticks(3)
        url = reverse("admin:jobs_registeredfunction_change", args=["test-function"])
        page = admin_client.get(url).content.decode()
    assert "but not while a run is unfinished" in page
    assert "2 ticks since then have started no run" in page
    assert reverse("admin:jobs_run_change", args=[runs().get().id]) in page


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        (TriggerCron(cron=LINE, if_running="wait"), "“start” and “skip” are allowed"),
        (TriggerCron(cron=LINE, if_running=None), "if_running=None"),
        ([STARTING, SKIPPING], "is given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_start(trigger, said: str):
    with pytest.raises(InvalidFunction, match=said), registered(naps, trigger=trigger):
        pass
