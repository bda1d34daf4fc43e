"""A concurrency key may be any value that an expression has; no data keep one from having it."""

from __future__ import annotations

import pytest

from jobs.api import Concurrency, Event, TriggerEvent, send
from jobs.models import Run
from jobs.testing import drain
from tests.support.functions import registered

KEYS = [
    '{1: "a", "b": 2}',
    "{true: 1, 2: [{3u: event.data.n}]}",
    "[event.data, event]",
    'b"abc"',
    'duration("1h")',
    'timestamp("2026-01-01T00:00:00Z")',
    "1.0 / 0.0",
    "0.0 / 0.0",
    "event.data.text",
    "event.data.nothing",
    "1 / 0",
    r'"\x00"',
]


@pytest.mark.django_db
@pytest.mark.parametrize("key", KEYS)
def test_runs_of_one_key_stand_in_one_line_and_are_run(key):
    with registered(lambda ctx: "fine", concurrency=[Concurrency(limit=1, key=key)]):
        data = {"n": 7, "text": "ü\x7f" * 5_000, "list": [[1], {"a": None}]}
        event = Event(name="test/go", data=data, id="one", ts=1_800_000_000_000)
        send(event)
        send(Event(name="test/go", data=data, id="two", ts=1_800_000_000_000))
        keys = {tuple(run.turn_keys) for run in Run.objects.all()}
        Run.objects.update(due_at="2020-01-01T00:00Z")
        drain()
    assert "event]" in key or len(keys) == 1
    assert [run.output for run in Run.objects.all()] == ["fine", "fine"]


@pytest.mark.django_db
@pytest.mark.parametrize("number", [2**64 + 1, 10**308, -int(1.7976931348623157e308), 5e-324])
def test_no_number_that_is_accepted_keeps_a_condition_about_another_from_its_value(number):
    trigger = TriggerEvent(event="test/go", if_exp="event.data.a == 1")
    with registered(lambda ctx: "fine", trigger=trigger):
        send(Event(name="test/go", data={"a": 1, "b": [{"c": number}]}))
    assert Run.objects.count() == 1
