"""A paused function starts nothing; what came meanwhile is recorded and can be replayed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context, Event, pause, replay_skipped, resume, send
from jobs.errors import UnknownFunction
from jobs.models import Reason, Run, RunStatus
from jobs.testing import drain, travel
from tests.functions import Diary, registered, three_steps

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


def test_a_function_that_nobody_knows_cannot_be_paused():
    with pytest.raises(UnknownFunction, match="no-such"):
        pause("no-such")
