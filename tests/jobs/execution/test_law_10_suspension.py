"""Laws 7 and 10: waiting costs no worker, and a function cannot swallow it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from jobs.api import Context, cancel
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, nap, ran, registered, the_run

pytestmark = pytest.mark.django_db


def test_a_sleeping_run_is_a_row_that_no_worker_holds_until_it_wakes():
    diary = Diary()
    with registered(nap(diary)):
        go()
        drain()
        run = the_run()
        assert (run.status, run.reason, run.lease_token) == ("waiting", "sleep", None)
        assert (run.due_at - run.started_at).total_seconds() == pytest.approx(3600, abs=5)
        travel(timedelta(minutes=59))
        assert drain() == 0
        travel(timedelta(minutes=1))
        drain()
    assert (the_run().status, diary.entries) == ("completed", ["before", "after"])


def test_sleeping_until_a_time_wakes_then_and_a_time_that_has_passed_is_no_sleep():
    until = datetime.now(UTC) + timedelta(hours=1)

    def handler(ctx: Context) -> None:
        ctx.step.sleep_until("past", datetime(2001, 1, 1, tzinfo=UTC))
        ctx.step.sleep_until("future", until)

    with registered(handler):
        go()
        drain()
        assert abs(the_run().due_at - until) < timedelta(seconds=1)
        travel(timedelta(hours=1))
        drain()
    assert the_run().status == "completed"


def test_no_exception_handler_of_the_function_swallows_a_sleep():
    diary = Diary()

    def handler(ctx: Context) -> str:
        try:
            ctx.step.sleep("nap", 60)
        except Exception:
            return "swallowed"
        with contextlib.suppress(Exception):
            ctx.step.run("flaky", diary.fail_times, "flaky", 1)
        return "awake"

    with registered(handler):
        go()
        drain()
        assert the_run().reason == "sleep"
        travel(timedelta(minutes=1))
        drain()
        assert the_run().reason == "backoff"
        travel(timedelta(minutes=1))
        drain()
    assert the_run().output == "awake"


def test_not_even_a_bare_except_swallows_a_sleep():
    def handler(ctx: Context) -> str:
        try:
            ctx.step.sleep("nap", 60)
        except BaseException:
            return "swallowed"
        return "awake"

    run = ran(handler)
    assert (run.status, run.reason) == ("waiting", "sleep")


def test_a_finally_clause_runs_its_step_once_the_run_has_come_there():
    diary = Diary()

    def handler(ctx: Context) -> None:
        try:
            ctx.step.sleep("nap", 60)
            ctx.step.run("work", diary.write, "work")
        finally:
            ctx.step.run("tidy", diary.write, "tidy")

    with registered(handler):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    assert diary.entries == ["work", "tidy"]


def finds_nothing_yet(wait: Callable[[], object]) -> object:
    """As code does that tidies up after what it has not got yet."""
    try:
        got = wait()
    finally:
        _ = [got]
    return got


def puts_it_in_other_words(wait: Callable[[], object]) -> object:
    try:
        return wait()
    except BaseException as error:
        raise RuntimeError("in other words") from error


def exits(wait: Callable[[], object]) -> object:
    try:
        return wait()
    except BaseException:
        sys.exit(1)


def swallows(wait: Callable[[], object]) -> object:
    try:
        return wait()
    except BaseException:
        return "swallowed"


ERRING = [finds_nothing_yet, puts_it_in_other_words, exits, swallows]


@pytest.mark.parametrize("code", ERRING)
def test_an_error_of_code_that_is_being_suspended_is_none_of_the_functions(code):
    def handler(ctx: Context) -> object:
        def wait() -> str:
            ctx.step.sleep("nap", 60)
            return ctx.step.run("flaky", diary.fail_times, "flaky", 1)

        return code(wait)

    diary = Diary()
    run = ran(handler, skip_time=True, retries=1)
    assert (run.status, run.output) == ("completed", "flaky")
    assert [attempt.error_message for attempt in run.attempts.filter(status="error")] == [
        "flaky number 1"
    ]


@pytest.mark.parametrize("code", ERRING)
def test_an_error_of_a_branch_that_is_being_suspended_is_none_of_the_branch(code):
    def handler(ctx: Context) -> object:
        def wait() -> str:
            ctx.step.sleep("nap", 60)
            return "awake"

        try:
            done = ctx.step.parallel([lambda: ctx.step.run("work", str), lambda: code(wait)])
        except Exception as error:
            done = (str(error),)
        diary.write("after")
        return done

    diary = Diary()
    run = ran(handler, skip_time=True, retries=0)
    assert (run.status, run.output) == ("completed", ["", "awake"])
    assert diary.entries == ["after"]


def test_a_function_that_cancels_its_own_run_ends_there_whatever_its_code_makes_of_it():
    def handler(ctx: Context) -> object:
        return puts_it_in_other_words(lambda: cancel(ctx.run_id))

    assert ran(handler).status == "cancelled"


@pytest.mark.parametrize(
    ("nap", "sentence"),
    [
        (lambda step: step.sleep("nap", timedelta(days=367)), "0 s to 366 days"),
        (lambda step: step.sleep_until("nap", datetime(2030, 1, 1)), "not an aware datetime"),
        (lambda step: step.sleep_until("nap", "noon"), "not an aware datetime"),
        (lambda step: step.sleep_until("nap", datetime(2999, 1, 1, tzinfo=UTC)), "366 days away"),
        (lambda step: step.sleep("nap", "an hour"), "0 s to 366 days"),
        (lambda step: step.sleep("nap", float("nan")), "0 s to 366 days"),
        (lambda step: step.sleep("nap", float("inf")), "0 s to 366 days"),
    ],
)
def test_a_sleep_that_cannot_be_one_fails_with_a_sentence(nap, sentence):
    run = ran(lambda ctx: nap(ctx.step))

    assert (run.status, run.error["name"]) == ("failed", "InvalidStep")
    assert sentence in run.error["message"]


def test_a_sleep_of_nothing_does_not_suspend():
    assert ran(lambda ctx: ctx.step.sleep("nap", 0)).status == "completed"


def test_two_sleeps_of_one_id_are_two_sleeps():
    def handler(ctx: Context) -> None:
        ctx.step.sleep("nap", 60)
        ctx.step.sleep("nap", 60)

    with registered(handler):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
        assert the_run().status == "waiting"
        travel(timedelta(minutes=1))
        drain()
    assert the_run().status == "completed"
