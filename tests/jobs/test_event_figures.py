"""Events by name, with what became of their runs."""

from __future__ import annotations

import pytest

from jobs.metrics import events as events_module
from jobs.metrics.events import events
from jobs.metrics.spans import SPANS
from jobs.testing import travel
from tests.jobs.ended import ended, minutes
from tests.jobs.rows import make_event, make_run

pytestmark = pytest.mark.django_db
HOUR = SPANS["1h"]


def test_a_name_has_its_events_and_what_became_of_their_runs():
    for status in ("completed", "completed", "failed", "cancelled"):
        ended(status=status, event=make_event("sing"))
    event = make_event("sing")
    make_run(event=event), make_run(event=event, status="waiting")
    make_event("dance")
    found = {one.name: one for one in events(HOUR)}
    sing = found["sing"]
    assert (sing.events, sing.pending, sing.completed, sing.failed, sing.others) == (5, 2, 2, 1, 1)
    assert (sum(sing.sparkline), sing.sparkline[-1]) == (5, 5)
    assert (found["dance"].events, found["dance"].pending) == (1, 0)


def test_what_came_before_the_span_is_not_counted_and_its_name_is_there():
    make_event("old")
    travel(minutes(120))
    (one,) = events(HOUR)
    assert (one.name, one.events, sum(one.sparkline)) == ("old", 0, 0)


def test_the_names_come_a_page_at_a_time_and_no_more_events_than_are_read(monkeypatch):
    monkeypatch.setattr(events_module, "MOST_NAMES", 2)
    monkeypatch.setattr(events_module, "MOST_EVENTS", 3)
    for name in ("a", "b", "c"):
        for _ in range(4):
            make_event(name)
    assert {one.name for one in events(HOUR)} == {"a", "b"}
    (last,) = events(HOUR, after="b")
    assert (last.name, last.events, last.is_capped) == ("c", 3, True)
