"""Events by name, with what became of their runs."""

from __future__ import annotations

import pytest

from jobs.metrics import event_names as figures_module
from jobs.metrics.event_names import event_names
from jobs.metrics.spans import SPANS
from tests.support.ended import ended, minutes
from tests.support.rows import make_event, make_run, now

pytestmark = pytest.mark.django_db
HOUR = SPANS["1h"]


def test_a_name_has_its_events_and_what_became_of_their_runs():
    for status in ("completed", "completed", "failed", "cancelled"):
        ended(status=status, event=make_event("sing"))
    event = make_event("sing")
    make_run(event=event), make_run(event=event, status="waiting")
    make_event("dance")
    found = {one.name: one for one in event_names(HOUR).names}
    sing = found["sing"]
    assert (sing.events, sing.pending, sing.completed, sing.failed, sing.other) == (5, 2, 2, 1, 1)
    assert (sum(sing.bars), sing.bars[-1]) == (5, 5)
    assert (found["dance"].events, found["dance"].pending) == (1, 0)


def test_what_came_before_the_span_is_not_counted_and_its_name_is_there():
    make_event("old", at=now() - minutes(120))
    (one,) = event_names(HOUR).names
    assert (one.name, one.events, sum(one.bars)) == ("old", 0, 0)


def test_the_newest_events_are_counted_and_the_page_is_told_that_there_may_be_more(monkeypatch):
    monkeypatch.setattr(figures_module, "MAX_COUNT", 3)
    make_event("old")
    assert not event_names(HOUR).is_capped
    for _ in range(4):
        make_event("new")
    found = event_names(HOUR)
    assert {one.name: one.events for one in found.names} == {"new": 3, "old": 0}
    assert found.is_capped


def test_names_beyond_the_first_of_the_alphabet_are_listed_if_they_have_an_event(monkeypatch):
    monkeypatch.setattr(figures_module, "MAX_NAMES", 2)
    for name in ("a", "b", "c"):
        make_event(name, at=now() - minutes(120))
    assert {one.name for one in event_names(HOUR).names} == {"a", "b"}
    make_event("c")
    assert {one.name for one in event_names(HOUR).names} == {"a", "b", "c"}
