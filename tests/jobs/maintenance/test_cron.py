"""A tick starts exactly one run, by the database's clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from jobs.api import Concurrency, Context, TriggerCron, TriggerEvent
from jobs.maintenance import cron
from jobs.models import CronSchedule, Event, RegisteredFunction, Run
from jobs.registry.rows import sync
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db

RARE = TriggerCron(cron="0 0 29 2 *")  # no tick of its own comes while a test runs
HOURLY = TriggerCron(cron="0 * * * *")
WEEKLY = TriggerCron(cron="TZ=Europe/Paris 0 12 * * 5")


def tell_the_tick(ctx: Context) -> dict[str, Any]:
    return {"name": ctx.event.name, **ctx.event.data}


def runs(fn_id: str = "test-function") -> Any:
    return Run.objects.filter(fn_id=fn_id).order_by("id")


def row(line: str = RARE.cron) -> CronSchedule:
    return CronSchedule.objects.get(fn_id="test-function", cron=line)


def make_due(by: timedelta = timedelta(seconds=1), line: str = RARE.cron) -> datetime:
    """Its time came so long ago."""
    rows = CronSchedule.objects.filter(fn_id="test-function", cron=line)
    rows.update(next_at=Now() - by)
    return rows.get().next_at


def test_a_tick_starts_a_run_that_knows_its_time():
    with registered(tell_the_tick, trigger=RARE):
        cron.sync()
        due = make_due()
        drain()
    run = runs().get()
    assert run.status == "completed"
    assert run.output["name"] == "jobs/scheduled.timer"
    assert run.output["cron"] == RARE.cron
    assert datetime.fromisoformat(run.output["scheduled_at"]) == due


def test_the_first_tick_is_the_next_one_and_nothing_runs_before_it():
    with registered(tell_the_tick, trigger=HOURLY):
        cron.sync()
        assert cron.tick() == 0
        ahead = CronSchedule.objects.filter(
            fn_id="test-function",
            next_at__gt=Now(),
            next_at__lte=Now() + timedelta(hours=1),
            next_at__minute=0,
            next_at__second=0,
        )
        assert ahead.exists()
    assert not runs().exists()


def test_time_that_passes_brings_the_tick():
    with registered(tell_the_tick, trigger=HOURLY):
        cron.sync()
        travel(timedelta(hours=1))
        drain()
    assert runs().count() == 1


def test_a_tick_is_given_once_however_often_it_is_asked_for():
    with registered(tell_the_tick, trigger=RARE):
        cron.sync()
        make_due()
        assert [cron.tick(), cron.tick(), cron.tick()] == [1, 0, 0]
    assert runs().count() == 1


def test_ticks_missed_while_nothing_ran_start_one_run_for_the_latest_of_them():
    with registered(tell_the_tick, trigger=HOURLY):
        cron.sync()
        make_due(timedelta(days=7), HOURLY.cron)
        drain()
        assert row(HOURLY.cron).next_at > row(HOURLY.cron).last_at
        assert CronSchedule.objects.filter(id=row(HOURLY.cron).id, next_at__gt=Now()).exists()
        assert CronSchedule.objects.filter(
            id=row(HOURLY.cron).id, last_at__gt=Now() - timedelta(hours=1), last_at__minute=0
        ).exists()
    assert runs().count() == 1
    assert datetime.fromisoformat(runs().get().output["scheduled_at"]).minute == 0


def test_only_the_triggers_own_function_runs():
    listener = TriggerEvent(event="jobs/*")
    with (
        registered(tell_the_tick, trigger=RARE),
        registered(tell_the_tick, fn_id="other", trigger=listener),
        registered(tell_the_tick, fn_id="another", trigger=RARE),
    ):
        cron.sync()
        make_due()
        drain()
    assert list(Run.objects.values_list("fn_id", flat=True)) == ["test-function"]
    assert Event.objects.count() == 1


def test_two_lines_of_a_function_tick_apart():
    with registered(tell_the_tick, trigger=[RARE, WEEKLY, TriggerEvent(event="test/go")]):
        cron.sync()
        make_due(line=WEEKLY.cron)
        drain()
    assert [run.output["cron"] for run in runs()] == [WEEKLY.cron]


def test_ticks_keep_turns():
    with registered(tell_the_tick, trigger=RARE, concurrency=[Concurrency(limit=1)]):
        cron.sync()
        make_due()
        cron.tick()
        run = runs().get()
    assert (run.turn_limits, len(run.turn_keys)) == ([1], 1)


def test_a_paused_functions_tick_is_recorded_as_skipped_and_the_next_comes_in_its_time():
    with registered(tell_the_tick, trigger=RARE):
        sync()
        cron.sync()
        RegisteredFunction.objects.filter(fn_id="test-function").update(paused_at=Now())
        make_due()
        drain()
        run = runs().get()
        assert (run.status, run.due_at) == ("skipped", None)
        assert run.ended_at is not None
        RegisteredFunction.objects.filter(fn_id="test-function").update(paused_at=None)
        drain()
        assert runs().count() == 1
        make_due()
        drain()
    assert [run.status for run in runs()] == ["skipped", "completed"]


def test_a_clusters_start_changes_no_time_that_is_set():
    with registered(tell_the_tick, trigger=RARE):
        cron.sync()
        due = make_due(timedelta(minutes=5))
        cron.sync()
        assert row().next_at == due


def test_a_trigger_of_an_older_version_that_still_runs_is_left_to_it():
    with registered(tell_the_tick, trigger=RARE):
        cron.sync()
    make_due(timedelta(hours=1))
    with registered(tell_the_tick, trigger=WEEKLY):
        cron.sync()
        assert cron.tick() == 0
        assert CronSchedule.objects.filter(fn_id="test-function").count() == 2
    with registered(tell_the_tick, trigger=RARE):
        assert cron.tick() == 1


def test_a_trigger_that_no_cluster_has_known_or_ticked_for_a_day_is_dropped():
    with registered(tell_the_tick, trigger=RARE):
        cron.sync()
    make_due(timedelta(seconds=1))
    with registered(tell_the_tick, trigger=WEEKLY):
        cron.sync()
        assert CronSchedule.objects.filter(cron=RARE.cron).exists()
        travel(timedelta(days=1, seconds=1))
        cron.sync()
        assert [r.cron for r in CronSchedule.objects.filter(fn_id="test-function")] == [WEEKLY.cron]


def test_what_is_missed_for_days_is_not_dropped_by_a_cluster_that_knows_it():
    with registered(tell_the_tick, trigger=RARE):
        cron.sync()
        make_due(timedelta(days=10))
        cron.sync()
        drain()
    assert runs().count() == 1


def test_the_admin_is_told_of_the_line():
    with registered(tell_the_tick, trigger=WEEKLY) as function:
        assert function.config()["triggers"] == [{"cron": WEEKLY.cron}]
