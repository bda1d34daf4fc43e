"""What has become of an event: the newest run that a function has made of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from jobs.api import InvalidEvent, answers, latest_runs, under_way, unfinished_runs
from tests.support import rows

pytestmark = pytest.mark.django_db


def test_the_newest_run_of_an_event_is_told_with_its_status() -> None:
    old = rows.failed_run()
    new = rows.make_run(event=old.event, rerun_of=old)
    found = latest_runs([old.event_id], fn_id=rows.FN)[old.event_id]
    assert (found.id, found.status, found.is_unfinished) == (new.pk, new.status, True)


def test_a_rerun_with_other_data_counts_for_the_event_of_the_first_run() -> None:
    first = rows.failed_run()
    edited = rows.completed_run(event=rows.make_event())
    edited.rerun_of = first
    edited.save(update_fields=["rerun_of"])
    assert latest_runs([first.event_id], fn_id=rows.FN)[first.event_id].id == edited.pk


def test_runs_of_other_functions_and_unknown_events_are_left_out() -> None:
    run = rows.make_run(fn_id="another-function")
    assert latest_runs([run.event_id, uuid.uuid4()], fn_id=rows.FN) == {}
    assert latest_runs([], fn_id=rows.FN) == {}


@pytest.mark.parametrize(
    "ask",
    [
        lambda ids: latest_runs(ids, fn_id=rows.FN),
        lambda ids: unfinished_runs(ids, fn_id=rows.FN),
        lambda ids: answers(ids, step="one"),
        under_way,
    ],
    ids=["latest_runs", "unfinished_runs", "answers", "under_way"],
)
def test_what_is_no_list_of_ids_is_refused_with_the_name_of_what_was_called(
    ask: Callable[[Any], Any], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    with pytest.raises(InvalidEvent, match=f"^{name} takes a list of ids of events, not 'one'"):
        ask("one")
    with pytest.raises(InvalidEvent, match="'one' is not the id of an event, as send returns it"):
        ask(["one"])
