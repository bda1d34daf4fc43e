"""A hook that comes late knows whether what it tells of is still so (law 9)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobs.api import cancel, rerun
from jobs.execution.executor import execute
from jobs.models import Event, Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import go, ran, the_run
from tests.support.late_hooks import (
    CANCEL,
    FAILURE,
    RETRY,
    Patient,
    answer_of,
    hook_that_is_faster_than_its_run,
    patient_and_hooks,
    says_whether_outdated,
    slow_hook,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient() -> Iterator[Patient]:
    with patient_and_hooks() as patient:
        yield patient


def everything_again(run: Run, way: str) -> None:
    options: dict[str, Any] = {
        "from its failed step": {},
        "from the start": {"from_start": True},
        "from a step": {"from_step": "act"},
        "with other data": {"data": {"n": 2}},
    }
    rerun(run.id, **options[way])


ways = pytest.mark.parametrize(
    "way", ["from its failed step", "from the start", "from a step", "with other data"]
)


def test_a_hook_that_comes_in_time_is_not_outdated(patient: Patient):
    go()
    drain()
    assert the_run(FAILURE).output is False
    rerun(the_run().id)
    assert answer_of(hook_that_is_faster_than_its_run(RETRY)) is False


def test_a_function_that_is_no_hook_is_never_outdated():
    assert ran(says_whether_outdated).output is False


@ways
def test_the_word_of_a_failure_is_outdated_once_its_run_is_run_again(patient: Patient, way: str):
    run = go()
    failure = slow_hook(FAILURE)
    patient.does = "naps"
    everything_again(run, way)
    assert answer_of(failure) is True


@ways
def test_the_word_of_a_cancellation_is_outdated_once_its_run_is_run_again(
    patient: Patient, way: str
):
    patient.does = "naps"
    run = go()
    drain()
    cancel(run.id)
    hook = slow_hook(CANCEL)
    if way == "from a step":
        way = "from the start"  # it came to none
    everything_again(run, way)
    assert answer_of(hook) is True


def test_it_stays_outdated_when_the_run_fails_once_more_which_has_a_hook_of_its_own(
    patient: Patient,
):
    run = go()
    first = slow_hook(FAILURE)
    rerun(run.id)
    second = slow_hook(FAILURE)
    assert (answer_of(first), answer_of(second)) == (True, False)


@pytest.mark.parametrize("end", ["fails", "ends well", "is cancelled"])
def test_the_word_of_a_retry_is_outdated_once_its_run_has_ended(patient: Patient, end: str):
    run = go()
    drain()
    patient.does = {"fails": "fails", "ends well": "well", "is cancelled": "naps"}[end]
    rerun(run.id)
    retry = slow_hook(RETRY)
    if end == "is cancelled":
        cancel(run.id)
    assert answer_of(retry) is True


def test_the_word_of_a_retry_is_outdated_by_the_next_one(patient: Patient):
    run = go()
    drain()
    rerun(run.id)
    first = slow_hook(RETRY)
    patient.does = "naps"
    rerun(run.id)
    second = hook_that_is_faster_than_its_run(RETRY)
    assert (answer_of(first), answer_of(second)) == (True, False)


def test_a_failure_is_not_the_last_word_while_another_rerun_of_the_same_run_goes_on(
    patient: Patient,
):
    run = go()
    drain()
    one = rerun(run.id, from_start=True)
    hook = slow_hook(FAILURE)
    assert hook.event["data"]["run_id"] == one
    patient.does = "naps"
    everything_again(run, "with other data")
    assert answer_of(hook) is True


def test_nor_after_another_rerun_has_ended_later(patient: Patient):
    run = go()
    drain()
    rerun(run.id, from_start=True)
    first = slow_hook(FAILURE)
    travel(timedelta(seconds=1))
    everything_again(run, "with other data")
    second = slow_hook(FAILURE)
    assert (answer_of(first), answer_of(second)) == (True, False)


def test_a_hook_that_a_person_runs_again_asks_again(patient: Patient):
    run = go()
    drain()
    hook = the_run(FAILURE)
    assert hook.output is False
    patient.does = "naps"
    rerun(run.id)
    again = rerun(hook.id, from_start=True)
    drain()
    assert Run.objects.get(id=again).output is True


def test_a_hook_of_a_version_that_did_not_count_goes_by_the_status(patient: Patient):
    run = go()
    execute(*claim_due(1))
    event = Event.objects.get(name="jobs/function.failed")
    del event.data["epoch"]
    event.save()
    drain()
    hook = the_run(FAILURE)
    assert hook.output is False
    patient.does = "naps"
    rerun(run.id)
    again = rerun(hook.id, from_start=True)
    drain()
    assert Run.objects.get(id=again).output is True


@pytest.mark.parametrize(
    "data",
    [{}, {"run_id": 7}, {"run_id": "x"}, {"epoch": 2**80}, {"epoch": -1}, {"run_id": None}],
    ids=repr,
)
def test_a_hook_whose_event_was_edited_into_nonsense_is_outdated(
    patient: Patient, data: dict[str, Any]
):
    go()
    drain()
    hook = the_run(FAILURE)
    told = {} if not data else hook.event.data | data
    again = rerun(hook.id, data=told)
    drain()
    assert Run.objects.get(id=again).output is True
