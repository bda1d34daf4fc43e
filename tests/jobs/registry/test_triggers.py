"""Which events start which functions, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.api import Context, Event, TriggerEvent, send
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, registered, the_run, three_steps

pytestmark = pytest.mark.django_db


def starts(trigger, *events: Event) -> int:
    """How many runs a function with this trigger gets from these events."""
    with registered(three_steps(Diary()), trigger=trigger):
        send(list(events))
    return Run.objects.filter(fn_id="test-function").count()


def test_an_event_starts_the_functions_that_listen_to_its_name_only():
    on_song = TriggerEvent(event="songs/made")
    assert starts(on_song, Event(name="songs/made"), Event(name="songs/made/twice")) == 1


def test_a_star_stands_for_any_characters():
    every_song = TriggerEvent(event="songs/*")
    heard = starts(
        every_song, Event(name="songs/made"), Event(name="songs/lost/again"), Event(name="songs")
    )
    assert heard == 2


def test_a_condition_lets_an_event_pass_only_if_it_is_true():
    long_ones = TriggerEvent(event="e", if_exp="event.data.seconds > 60")
    heard = starts(
        long_ones,
        Event(name="e", data={"seconds": 61}),
        Event(name="e", data={"seconds": 60}),
        Event(name="e", data={"seconds": "long"}),
        Event(name="e"),
    )
    assert heard == 1


def test_a_condition_that_is_not_a_boolean_is_not_true():
    assert (
        starts(TriggerEvent(event="e", if_exp="event.data.n"), Event(name="e", data={"n": 1})) == 0
    )


def test_several_matching_triggers_start_one_run():
    triggers = [TriggerEvent(event="e"), TriggerEvent(event="*"), TriggerEvent(event="other")]
    assert starts(triggers, Event(name="e")) == 1


def test_several_functions_each_get_a_run_of_their_own():
    with registered(three_steps(Diary())), registered(three_steps(Diary()), fn_id="second"):
        go()
    assert sorted(Run.objects.values_list("fn_id", flat=True)) == ["second", "test-function"]


def test_a_condition_without_a_value_for_an_event_keeps_no_sender_from_sending():
    first_of = TriggerEvent(event="e", if_exp="event.data.items[0] == 1 || 1 / event.data.n == 1")
    assert starts(first_of, Event(name="e", data={"items": [], "n": 0})) == 0


def test_an_event_of_the_future_starts_its_run_then():
    with registered(three_steps(Diary())):
        run = go(ts=datetime.now(UTC) + timedelta(hours=1))
        assert drain() == 0
        travel(timedelta(hours=1))
        drain()
    run.refresh_from_db()
    assert run.status == "completed"


def test_an_event_of_the_past_starts_its_run_now():
    with registered(three_steps(Diary())):
        go(ts=1_500_000_000_000)
        drain()
    assert the_run().status == "completed"


def test_a_function_sees_its_event_with_its_id_and_time():
    seen = []

    def handler(ctx: Context) -> None:
        seen.append(ctx.event)

    with registered(handler):
        go({"a": [1, 2]}, id="mine", ts=1_500_000_000_123)
        go({"b": None})
        drain()
    assert seen[0] == Event(name="test/go", data={"a": [1, 2]}, id="mine", ts=1_500_000_000_123)
    assert seen[1].id == str(the_run().event_id)
    assert abs(seen[1].ts / 1000 - the_run().event.ts.timestamp()) < 0.001


def test_a_function_that_listens_to_everything_is_not_started_by_its_own_failure():
    def handler(ctx: Context) -> None:
        raise ValueError("no")

    with registered(handler, trigger=TriggerEvent(event="*"), retries=0):
        go()
        drain(limit=4)
    assert Run.objects.count() == 1
