"""Living with code changes: a run that waited goes on with what it remembers."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from jobs.api import Concurrency, Context, Event, cancel, rerun, send
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, registered, the_run

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


def test_a_step_added_behind_the_wait_runs_in_its_place():
    assert deployed(["a", "nap", "b"], ["a", "nap", "new", "b"]) == ["a", "new", "b"]


def test_a_step_that_is_used_once_more_is_a_new_one():
    assert deployed(["a", "nap", "b"], ["a", "nap", "a", "b"]) == ["a", "a", "b"]


def test_steps_before_and_behind_the_wait_may_change_places():
    assert deployed(["a", "nap", "b", "c"], ["b", "nap", "c", "a"]) == ["a", "b", "c"]


def test_a_wait_added_before_the_one_that_is_over_is_waited_for():
    diary = Diary()

    def later(ctx: Context) -> None:
        ctx.step.sleep("another nap", 60)
        steps(diary, "a", "nap", "b")(ctx)

    with registered(steps(diary, "a", "nap", "b")):
        go()
        drain()
    with registered(later):
        travel(timedelta(hours=1))
        drain()
        assert (the_run().reason, diary.entries) == ("sleep", ["a"])
        travel(timedelta(minutes=1))
        drain()
    assert diary.entries == ["a", "b"]


def test_a_renamed_wait_begins_anew():
    diary = Diary()

    def renamed(ctx: Context) -> None:
        ctx.step.sleep("rest", 60)
        diary.write("awake")

    with registered(steps(diary, "nap")):
        go()
        drain()
    with registered(renamed):
        travel(timedelta(hours=1))
        drain()
        assert (the_run().reason, diary.entries) == ("sleep", [])
        travel(timedelta(minutes=1))
        drain()
    assert diary.entries == ["awake"]


def test_a_step_that_is_removed_while_it_backs_off_is_forgotten():
    diary = Diary()
    with registered(lambda ctx: ctx.step.run("gone", diary.fail_times, "gone", 9), retries=9):
        go()
        drain()
    with registered(steps(diary, "other")):
        travel(timedelta(minutes=1))
        drain()
    assert (the_run().status, diary.entries) == ("completed", ["gone", "other"])


def test_a_failed_step_that_is_mended_and_renamed_is_not_in_the_way_of_a_retry():
    diary = Diary()
    with registered(lambda ctx: ctx.step.run("v1", diary.fail_times, "v1", 9), retries=0):
        run = go()
        drain()
    with registered(steps(diary, "v2")):
        rerun(run.id)
        drain()
    assert (the_run().status, diary.entries) == ("completed", ["v1", "v2"])


def branches(diary: Diary, *ids: str):
    """A function whose branches are these, each a step and an hour's sleep."""

    def handler(ctx: Context) -> None:
        def branch(id: str) -> None:
            ctx.step.run(id, diary.write, id)
            ctx.step.sleep(f"nap of {id}", 3600)

        ctx.step.parallel([partial(branch, id) for id in ids])

    return handler


@pytest.mark.parametrize(
    ("after", "done"),
    [
        (["left", "right", "new"], ["left", "right", "new"]),
        (["left"], ["left", "right"]),
        (["right", "left"], ["left", "right", "right", "left"]),
    ],
    ids=["a branch at the end", "the last branch gone", "branches are told apart by their place"],
)
def test_branches_may_be_added_and_removed_at_the_end(after: list[str], done: list[str]):
    diary = Diary()
    with registered(branches(diary, "left", "right")):
        go()
        drain()
    with registered(branches(diary, *after)):
        for _ in range(2):
            travel(timedelta(hours=1))
            drain()
    assert (the_run().status, diary.entries) == ("completed", done)


def test_other_retries_count_from_the_next_error_on():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("one", diary.fail_times, "one", 9)

    with registered(handler, retries=5):
        go()
        drain()
        travel(timedelta(seconds=2))
        drain()
    with registered(handler, retries=2):
        travel(timedelta(seconds=2))
        drain()
    assert (the_run().status, len(diary.entries)) == ("failed", 3)


def test_another_backoff_counts_from_the_next_error_on():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("one", diary.fail_times, "one", 2)

    with registered(handler, backoff=[60]):
        go()
        drain()
    with registered(handler, backoff=[0]):
        drain()
        assert len(diary.entries) == 1
        travel(timedelta(seconds=60))
        drain()
    assert (the_run().status, len(diary.entries)) == ("completed", 3)


def test_runs_keep_the_lines_that_they_stand_in_when_the_concurrency_changes():
    diary = Diary()
    one, two = [Concurrency(limit=1)], [Concurrency(limit=2)]
    with registered(steps(diary, "a", "nap"), concurrency=one):
        for _ in range(3):
            go()
        drain()
    with registered(steps(diary, "a", "nap"), concurrency=two):
        go()
        drain()
        assert diary.entries == ["a"]
        travel(timedelta(hours=1))
        drain()
        assert diary.entries == ["a", "a"]


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


def waits(event: str, if_exp: str | None):
    def handler(ctx: Context) -> object:
        came = ctx.step.wait_for_event("payment", event=event, if_exp=if_exp)
        return came and came.data

    return handler


def test_a_run_that_waits_keeps_the_event_and_the_condition_with_which_it_began():
    with registered(waits("test/paid", "async.data.n == 2")):
        go()
        drain()
    with registered(waits("test/settled", None)):
        for event in ("test/settled", "test/paid"):
            send([Event(name=event, data={"n": n}) for n in (1, 2)])
            travel(timedelta(seconds=2))
            drain()
    assert the_run().output == {"n": 2}


@pytest.mark.parametrize("now", [None, "async.data.n == 2"])
def test_a_retried_wait_has_event_and_condition_of_the_same_code(now):
    with registered(waits("test/paid", "async.data.paid")):
        go()
        drain()
        cancel(the_run().id)
    with registered(waits("test/settled", now)):
        rerun(the_run().id)
        drain()
        send([Event(name="test/settled", data={"n": n}) for n in (1, 2)])
        drain()
    assert the_run().output == {"n": 2 if now else 1}
