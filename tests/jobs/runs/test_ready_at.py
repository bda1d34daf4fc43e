"""What is bound to a run's start counts from when it could first start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.admin import timeline
from jobs.admin.bars import BarKind
from jobs.api import (
    Cancel,
    Context,
    Event,
    InvalidFunction,
    Timeouts,
    cancel,
    pause,
    replay_skipped,
    rerun,
    resume,
    send,
)
from jobs.models import Run, RunStatus
from jobs.registry.catalog import unregister
from jobs.registry.rows import sync
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
IN_A_MINUTE = Timeouts(start=60)


def works(ctx: Context) -> str:
    return "done"


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def planned(ahead: timedelta = HOUR) -> None:
    send(Event(name="test/go", ts=datetime.now(UTC) + ahead))


def the_run() -> Run:
    return Run.objects.filter(fn_id="test-function").latest("id")


def status() -> str:
    return the_run().status


def after(time: timedelta) -> str:
    """Its status when that has passed."""
    travel(time)
    drain()
    return status()


def told() -> timeline.Story:
    run = the_run()
    return timeline.read_story(run, datetime.now(UTC))


# --- timeouts.start -------------------------------------------------------------------------------


def test_a_run_whose_event_is_due_in_an_hour_is_not_late_before_that():
    with registered(works, timeouts=IN_A_MINUTE):
        planned()
        assert after(61 * SECOND) == RunStatus.QUEUED
        assert after(59 * MINUTE) == RunStatus.COMPLETED


def test_it_is_late_a_minute_after_that_if_no_cluster_takes_it():
    with registered(works, timeouts=IN_A_MINUTE):
        planned()
    assert after(HOUR + 30 * SECOND) == RunStatus.QUEUED  # set aside: no cluster knows its function
    assert after(31 * SECOND) == RunStatus.CANCELLED
    assert "timeouts.start" in the_run().error["message"]


def test_an_event_of_long_ago_gives_its_run_all_of_the_time():
    with registered(works, timeouts=IN_A_MINUTE):
        planned(-timedelta(days=3650))
    assert after(59 * SECOND) == RunStatus.QUEUED
    assert after(2 * SECOND) == RunStatus.CANCELLED


def test_a_run_that_was_late_is_in_time_again_when_a_person_retries_it():
    with registered(works, timeouts=IN_A_MINUTE):
        planned(timedelta())
        unregister("test-function")
        assert after(61 * SECOND) == RunStatus.CANCELLED
    with registered(works, timeouts=IN_A_MINUTE):
        rerun(the_run().id)
        unregister("test-function")
        assert after(59 * SECOND) == RunStatus.QUEUED
        assert after(2 * SECOND) == RunStatus.CANCELLED


def test_a_rerun_of_a_planned_event_is_due_at_once_and_late_a_minute_later():
    with registered(works, timeouts=IN_A_MINUTE):
        planned()
        cancel(the_run().id)
        rerun(the_run().id, from_start=True)
    assert after(61 * SECOND) == RunStatus.CANCELLED


def test_a_run_that_was_skipped_and_replayed_has_all_of_the_time():
    with registered(works, timeouts=IN_A_MINUTE):
        pause("test-function")
        send(Event(name="test/go"))
        travel(HOUR)
        resume("test-function")
        replay_skipped("test-function")
        assert after(59 * SECOND) == RunStatus.COMPLETED


def test_a_run_is_not_late_while_its_function_stands_still():
    with registered(works, timeouts=IN_A_MINUTE):
        sync()
        send(Event(name="test/go"))
        pause("test-function", stop_running=True)
        assert after(HOUR) == RunStatus.QUEUED
        resume("test-function")
        assert after(timedelta()) == RunStatus.COMPLETED


def test_meanwhile_it_has_no_deadline_that_each_sweep_would_pass_by():
    with registered(works, timeouts=IN_A_MINUTE):
        sync()
        send(Event(name="test/go"))
        pause("test-function", stop_running=True)
        assert the_run().expires_at is None
        resume("test-function")
        assert the_run().expires_at == the_run().ready_at + MINUTE


@pytest.mark.parametrize("go_on", [resume, pause])
def test_it_has_all_of_the_time_again_when_its_function_goes_on(go_on: Any):
    with registered(works, timeouts=IN_A_MINUTE):
        sync()
        send(Event(name="test/go"))
        pause("test-function", stop_running=True)
        travel(HOUR)
        go_on("test-function")
    assert after(59 * SECOND) == RunStatus.QUEUED
    assert after(2 * SECOND) == RunStatus.CANCELLED


def test_a_planned_run_keeps_its_time_over_a_pause():
    with registered(works, timeouts=IN_A_MINUTE):
        sync()
        planned()
        pause("test-function", stop_running=True)
        travel(MINUTE)
        resume("test-function")
        assert after(50 * MINUTE) == RunStatus.QUEUED
        assert after(9 * MINUTE + 30 * SECOND) == RunStatus.COMPLETED


# --- cancel_on ------------------------------------------------------------------------------------


def test_a_rule_with_a_timeout_counts_a_planned_runs_age_from_when_it_was_due():
    rule = Cancel(event="test/stop", timeout=600)
    with registered(naps, cancel_on=[rule]):
        planned()
        travel(30 * MINUTE)
        send(Event(name="test/stop"))
        drain()
    assert status() == RunStatus.CANCELLED


# --- the queue ------------------------------------------------------------------------------------


def test_a_planned_delay_is_not_told_as_time_in_the_queue(admin_client: Client):
    with registered(works):
        planned()
        assert after(HOUR + 5 * SECOND) == RunStatus.COMPLETED
    story = told()
    assert timedelta() <= story.queued.duration - 5 * SECOND < 5 * SECOND
    assert story.planned is not None
    assert story.planned.kind == BarKind.WAIT
    assert abs(story.planned.duration - HOUR) < 5 * SECOND
    url = reverse("admin:jobs_run_change", args=[the_run().id])
    assert "in which it could not start" in admin_client.get(url).content.decode()


def test_a_run_that_is_yet_to_come_has_not_been_queued_for_any_time():
    with registered(works):
        planned()
        travel(30 * MINUTE)
        assert told().queued.duration == timedelta()


def test_a_run_that_was_due_when_it_was_made_has_only_been_queued():
    with registered(works):
        send(Event(name="test/go"))
        assert after(5 * SECOND) == RunStatus.COMPLETED
    assert told().planned is None
    assert told().queued.duration >= 5 * SECOND


def test_a_rerun_of_a_planned_event_is_queued_from_when_it_was_asked_for():
    with registered(works):
        planned()
        cancel(the_run().id)
        rerun(the_run().id, from_start=True)
        assert after(5 * SECOND) == RunStatus.COMPLETED
    assert told().planned is None


def test_the_night_in_which_a_run_was_cancelled_is_no_time_in_the_queue():
    with registered(works):
        planned()
        cancel(the_run().id)
        travel(9 * HOUR)
        rerun(the_run().id)
        drain()
    assert told().queued.duration < MINUTE


def test_the_time_in_which_its_function_stood_still_is_no_time_in_the_queue():
    with registered(works):
        sync()
        send(Event(name="test/go"))
        pause("test-function", stop_running=True)
        drain()
        travel(9 * HOUR)
        assert told().queued.duration < MINUTE
        resume("test-function")
        drain()
    assert told().queued.duration < MINUTE


# --- what cannot be meant -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"timeouts": Timeouts(start=float("inf"))},
        {"timeouts": Timeouts(finish=1e300)},
        {"timeouts": Timeouts(finish=10**400)},
        {"timeouts": Timeouts(start=float("nan"))},
        {"timeouts": Timeouts(start=timedelta.max)},
        {"timeouts": Timeouts(start="soon")},
        {"timeouts": Timeouts(start=True)},
        {"timeouts": 60},
        {"cancel_on": [Cancel(event="test/stop", timeout=1e300)]},
        {"cancel_on": [Cancel(event="test/stop", timeout="soon")]},
        {"backoff": [1e300]},
    ],
    ids=repr,
)
def test_a_span_that_no_clock_can_measure_is_refused_at_start(options: dict[str, Any]):
    with pytest.raises(InvalidFunction), registered(works, **options):
        pass
