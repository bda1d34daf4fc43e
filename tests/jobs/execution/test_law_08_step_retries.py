"""Law 8: retries are per step."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context, NonRetriableError, RetryAfterError, StepError
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, ran, registered, the_run

pytestmark = pytest.mark.django_db


def through(handler, *, retries: int, rounds: int = 12) -> Run:
    """A run to its end, the waits between attempts passed over."""
    with registered(handler, retries=retries):
        go()
        for _ in range(rounds):
            drain()
            travel(timedelta(seconds=2))
    return the_run()


def fails(error: BaseException):
    def body() -> None:
        raise error

    return body


def seconds_to_wait(run: Run) -> float:
    attempt = run.attempts.last()
    return (attempt.retry_at - attempt.ended_at).total_seconds()


def test_a_step_that_fails_twice_is_mended_by_the_third_attempt():
    diary = Diary()
    run = through(lambda ctx: ctx.step.run("one", diary.fail_times, "one", 2), retries=3)

    assert (run.status, run.output) == ("completed", "one")
    tries = [(a.number, a.status, a.retry_at is None) for a in run.attempts.all()]
    assert tries == [(0, "error", False), (1, "error", False), (2, "completed", True)]
    assert (run.steps.get().attempts, run.steps.get().error) == (3, None)


def test_three_retries_are_four_attempts():
    diary = Diary()
    run = through(lambda ctx: ctx.step.run("one", diary.fail_times, "one", 99), retries=3)

    assert run.status == "failed"
    assert len(diary.entries) == run.attempts.filter(step_name="one").count() == 4


def test_no_retries_are_one_attempt():
    diary = Diary()
    run = through(lambda ctx: ctx.step.run("one", diary.fail_times, "one", 99), retries=0)

    assert (run.status, len(diary.entries)) == ("failed", 1)


def test_every_step_has_its_own_attempts():
    diary = Diary()

    def handler(ctx: Context) -> None:
        for id in ("one", "two", "three"):
            ctx.step.run(id, diary.fail_times, id, 3)

    run = through(handler, retries=3, rounds=20)
    assert run.status == "completed"
    assert diary.entries == ["one"] * 4 + ["two"] * 4 + ["three"] * 4


def test_a_run_that_backs_off_waits_and_says_so():
    run = ran(lambda ctx: ctx.step.run("one", fails(ValueError("no"))))

    assert (run.status, run.reason, run.attempt) == ("waiting", "backoff", 1)
    assert run.due_at is not None
    assert run.steps.get().status == "waiting"


def test_without_a_table_of_its_own_a_function_backs_off_as_inngest_does(settings):
    settings.JOBS = {**settings.JOBS, "BACKOFF": None}
    run = ran(lambda ctx: ctx.step.run("one", fails(ValueError("no"))), backoff=None)

    assert 15 <= seconds_to_wait(run) <= 46


def test_an_error_that_asks_for_a_time_gets_it():
    error = RetryAfterError("busy", timedelta(minutes=10))
    run = ran(lambda ctx: ctx.step.run("one", fails(error)))

    assert seconds_to_wait(run) == pytest.approx(600, abs=1)


def test_an_error_that_asks_for_what_is_no_time_says_so_in_its_traceback():
    def busy() -> None:
        raise RetryAfterError("busy", "in a minute")  # type: ignore[arg-type]

    run = ran(lambda ctx: ctx.step.run("one", busy), backoff=[7])

    assert seconds_to_wait(run) == pytest.approx(7, abs=1)
    told = run.attempts.get(step_name="one").traceback
    assert "retry_after='in a minute' is no number of seconds" in told
    assert "the usual backoff is used" in told


def test_a_non_retriable_error_ends_its_step_at_once():
    run = ran(lambda ctx: ctx.step.run("one", fails(NonRetriableError("broken"))), retries=3)

    assert (run.status, run.attempts.filter(step_name="one").count()) == ("failed", 1)
    assert run.error["name"] == "StepError"
    assert "step “one” failed: NonRetriableError: broken" in run.error["message"]
    assert run.error["step"] == "one"


def test_an_exhausted_step_can_be_caught_and_the_run_goes_on():
    seen = []

    def handler(ctx: Context) -> str:
        try:
            ctx.step.run("one", fails(NonRetriableError("broken")))
        except StepError as error:
            seen.append((error.step_id, error.name, error.message))
        ctx.step.sleep("nap", 1)
        return ctx.step.run("instead", str, "plan B")

    run = through(handler, retries=0)
    assert (run.status, run.output) == ("completed", "plan B")
    assert seen == [("one", "NonRetriableError", "broken")] * 2
    assert run.steps.get(name="one").status == "failed"


def test_an_uncaught_step_error_fails_the_run_without_trying_the_function_again():
    calls = []

    def handler(ctx: Context) -> None:
        calls.append(1)
        ctx.step.run("one", fails(ValueError("no")))

    run = through(handler, retries=1)
    assert (run.status, len(calls)) == ("failed", 2)


def test_the_attempt_is_counted_from_zero_at_each_step():
    seen = []

    def body(ctx: Context, id: str, failures: int) -> None:
        seen.append((id, ctx.attempt))
        if ctx.attempt < failures:
            raise ValueError(id)

    def handler(ctx: Context) -> None:
        ctx.step.run("one", body, ctx, "one", 2)
        ctx.step.run("two", body, ctx, "two", 1)

    through(handler, retries=3)
    assert seen == [("one", 0), ("one", 1), ("one", 2), ("two", 0), ("two", 1)]


def test_leaving_the_program_in_a_body_is_an_error_like_any_other():
    run = through(lambda ctx: ctx.step.run("one", fails(SystemExit(3))), retries=1)

    assert run.status == "failed"
    assert run.attempts.filter(step_name="one", error_class="SystemExit").count() == 2


def test_a_steps_first_attempt_is_its_first_whatever_went_wrong_before_it():
    seen: list[tuple[int, int]] = []

    def handler(ctx: Context) -> None:
        if ctx.attempt < 2:
            raise ValueError("not yet")
        ctx.step.run("step", lambda told: seen.append((told, ctx.attempt)), ctx.attempt)

    assert ran(handler, skip_time=True, retries=2).status == "completed"
    assert seen == [(2, 0)]
