"""A paused function starts nothing; what came meanwhile is recorded and can be replayed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from jobs.api import Context, Event, cancel, pause, replay_skipped, rerun, resume, send
from jobs.errors import InvalidTransition, UnknownFunction
from jobs.models import Reason, RegisteredFunction, Run, RunStatus
from jobs.platform.postgres.clock import database_clock
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import Diary, at_once, registered, three_steps

pytestmark = pytest.mark.django_db


def test_events_that_come_while_it_is_paused_are_skipped_and_can_be_replayed_once():
    diary = Diary()
    with registered(three_steps(diary)):
        assert pause("test-function") is True
        assert pause("test-function") is False
        send(Event(name="test/go"))
        drain()
        assert Run.objects.get().status == RunStatus.SKIPPED
        assert resume("test-function") is True
        drain()
        assert diary.entries == []
        assert len(replay_skipped("test-function")) == 1
        assert replay_skipped("test-function") == []
        drain()
    assert diary.entries == ["first", "second", "third"]


@pytest.mark.django_db(transaction=True)
def test_two_operators_that_replay_at_once_start_each_run_once():
    with registered(three_steps(Diary())):
        pause("test-function")
        send([Event(name="test/go") for _ in range(5)])
        resume("test-function")
        first, second = at_once(*[lambda: replay_skipped("test-function")] * 2)
    assert len(first) + len(second) == 5
    assert Run.objects.filter(rerun_of__isnull=False).count() == 5


def test_only_what_was_skipped_in_a_span_of_time_is_replayed():
    with registered(three_steps(Diary())):
        pause("test-function")
        send(Event(name="test/go", data={"n": 1}))
        travel(timedelta(hours=2))
        send(Event(name="test/go", data={"n": 2}))
        travel(timedelta(hours=2))
        resume("test-function")
        now = database_clock().at
        since, until = now - timedelta(hours=3), now - timedelta(hours=1)
        assert replay_skipped("test-function", since=now) == []
        (made,) = replay_skipped("test-function", since=since, until=until)
    assert Run.objects.get(id=made).event.data == {"n": 2}


def test_a_run_that_is_put_down_and_cancelled_and_retried_is_asked_to_stop_no_more():
    with registered(three_steps(Diary())):
        send(Event(name="test/go"))
        claim_due(1)
        pause("test-function", stop_running=True)
        run = Run.objects.get()
        assert run.stop_requested
        cancel(run.id)
        rerun(run.id)
    run.refresh_from_db()
    assert not run.stop_requested


def test_unfinished_runs_go_on_to_their_end():
    def handler(ctx: Context) -> str:
        ctx.step.sleep("nap", 60)
        return "done"

    with registered(handler):
        send(Event(name="test/go"))
        drain()
        pause("test-function")
        travel(timedelta(seconds=61))
        drain()
    assert Run.objects.get().output == "done"


def test_or_they_stand_still_if_asked_until_it_is_resumed():
    def handler(ctx: Context) -> str:
        ctx.step.sleep("nap", 60)
        return "done"

    with registered(handler):
        send(Event(name="test/go"))
        drain()
        pause("test-function", stop_running=True)
        travel(timedelta(seconds=61))
        drain()
        assert Run.objects.get().reason == Reason.PAUSED
        resume("test-function")
        drain()
    assert Run.objects.get().output == "done"


def test_a_running_run_is_put_down_after_the_step_that_it_is_at():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("first", diary.write, "first")
        ctx.step.run("pausing", lambda: pause("test-function", stop_running=True), atomic=False)
        ctx.step.run("third", diary.write, "third")

    with registered(handler):
        send(Event(name="test/go"))
        drain()
        assert diary.entries == ["first"]
        run = Run.objects.get()
        assert (run.steps_done, run.reason) == (2, Reason.PAUSED)
        resume("test-function")
        drain()
    assert diary.entries == ["first", "third"]


@pytest.mark.parametrize("act", [pause, resume, replay_skipped])
def test_a_wrong_id_is_told_whatever_was_asked(act):
    with pytest.raises(UnknownFunction, match="There is no function “no-such”"):
        act("no-such")
    assert not RegisteredFunction.objects.filter(fn_id="no-such").exists()


@pytest.mark.parametrize("span", [{"since": "yesterday"}, {"until": datetime(2026, 1, 1)}])
def test_a_span_of_time_that_is_none_is_told_and_nothing_is_replayed(span):
    with registered(three_steps(Diary())):
        pause("test-function")
        send(Event(name="test/go"))
        with pytest.raises(InvalidTransition, match="aware datetimes, not"):
            replay_skipped("test-function", **span)
    assert Run.objects.count() == 1
