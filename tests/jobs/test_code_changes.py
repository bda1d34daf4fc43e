"""Living with code changes: a run that waited goes on with what it remembers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context
from jobs.testing import drain, travel
from tests.functions import Diary, go, registered, the_run

pytestmark = pytest.mark.django_db


def steps(diary: Diary, *ids: str):
    """A function with these steps; “nap” is an hour's sleep."""

    def handler(ctx: Context) -> None:
        for id in ids:
            if id == "nap":
                ctx.step.sleep("nap", 3600)
            else:
                ctx.step.run(id, diary.write, id)

    return handler


def deployed(before: list[str], after: list[str]) -> list[str]:
    """What is done by a run that began with one code and woke up in another."""
    diary = Diary()
    with registered(steps(diary, *before)):
        go()
        drain()
    with registered(steps(diary, *after)):
        travel(timedelta(hours=1))
        drain()
    assert the_run().status == "completed"
    return diary.entries


def test_the_same_code_goes_on():
    assert deployed(["a", "nap", "b"], ["a", "nap", "b"]) == ["a", "b"]


def test_a_step_added_before_the_wait_runs_when_the_run_wakes():
    assert deployed(["a", "nap", "b"], ["new", "a", "nap", "b"]) == ["a", "new", "b"]


def test_a_step_removed_is_forgotten():
    assert deployed(["a", "x", "nap", "b"], ["a", "nap", "b"]) == ["a", "x", "b"]


def test_steps_reordered_are_recognised_by_their_ids():
    assert deployed(["a", "b", "nap", "c"], ["b", "a", "nap", "c"]) == ["a", "b", "c"]


def test_a_renamed_step_is_a_new_one():
    assert deployed(["a", "nap", "b"], ["alpha", "nap", "b"]) == ["a", "alpha", "b"]


def test_a_removed_wait_is_over():
    assert deployed(["a", "nap", "b"], ["a", "b"]) == ["a", "b"]


def test_a_step_that_changes_its_kind_fails_with_a_sentence():
    diary = Diary()
    with registered(steps(diary, "a", "nap")):
        go()
        drain()
    with registered(lambda ctx: ctx.step.run("nap", diary.write, "nap")):
        travel(timedelta(hours=1))
        drain()
    run = the_run()
    assert run.status == "failed"
    assert "“nap” was step.sleep in this run and is step.run now" in run.error["message"]


def test_a_run_whose_function_is_gone_waits_for_it_and_says_so():
    diary = Diary()
    with registered(steps(diary, "a", "nap", "b")):
        go()
        drain()
    travel(timedelta(hours=1))
    drain()
    run = the_run()
    assert run.reason == "function"
    assert drain() == 0

    with registered(steps(diary, "a", "nap", "b")):
        travel(timedelta(minutes=1))
        drain()
    assert diary.entries == ["a", "b"]


def test_said_lines_reach_the_log_though_a_step_was_removed():
    def handler(ctx: Context) -> None:
        print("awake")

    with registered(steps(Diary(), "a", "nap")):
        go()
        drain()
    with registered(handler):
        travel(timedelta(hours=1))
        drain()
    assert [line.message for line in the_run().log_lines.all()] == ["awake"]
