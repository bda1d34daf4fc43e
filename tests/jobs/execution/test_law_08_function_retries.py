"""Law 8 between steps: code outside steps may err too, has its own counter and keeps its memory."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from django.db import IntegrityError

from jobs.api import Context, NonRetriableError
from jobs.models import Run
from jobs.testing import drain, travel
from songs.models import Category
from tests.support.functions import Diary, go, ran, registered, the_run

pytestmark = pytest.mark.django_db


def through(handler, *, retries: int, rounds: int = 8) -> Run:
    with registered(handler, retries=retries):
        go()
        for _ in range(rounds):
            drain()
            travel(timedelta(seconds=2))
    return the_run()


def test_the_function_is_tried_again_and_its_steps_are_not():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("pay", diary.write, "pay")
        diary.fail_times("between", 2)
        ctx.step.run("ship", diary.write, "ship")

    run = through(handler, retries=2)
    assert run.status == "completed"
    assert diary.entries == ["pay", "between", "between", "between", "ship"]
    errors = [(a.step_name, a.number) for a in run.attempts.filter(status="error")]
    assert errors == [("", 0), ("", 1)]


def test_the_last_error_fails_the_run():
    diary = Diary()
    run = through(lambda ctx: diary.fail_times("between", 99), retries=2)

    assert (run.status, len(diary.entries)) == ("failed", 3)
    assert (run.error["name"], run.error["message"]) == ("ValueError", "between number 3")


def test_a_non_retriable_error_fails_the_run_at_once():
    def handler(ctx: Context) -> None:
        raise NonRetriableError("broken")

    run = ran(handler, retries=3)
    assert (run.status, run.error["message"]) == ("failed", "broken")


def test_a_step_that_was_remembered_meanwhile_sets_the_counter_back():
    diary = Diary()

    def handler(ctx: Context) -> None:
        diary.fail_times("one", 2)
        ctx.step.run("step", diary.write, "step")
        diary.fail_times("two", 2)

    run = through(handler, retries=2)
    assert run.status == "completed"
    assert diary.entries.count("two") == 3


def test_the_attempt_tells_how_often_the_function_has_erred_here():
    seen = []

    def handler(ctx: Context) -> None:
        seen.append(ctx.attempt)
        if ctx.attempt < 2:
            raise ValueError("again")

    through(handler, retries=2)
    assert seen == [0, 1, 2]


def test_a_steps_errors_are_not_the_functions():
    diary = Diary()

    def handler(ctx: Context) -> None:
        if "step" in diary.entries:
            diary.fail_times("between", 2)
        ctx.step.run("step", diary.fail_times, "step", 2)

    run = through(handler, retries=2)
    assert run.status == "completed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("swallowed", [False, True])
def test_a_database_error_between_steps_comes_to_the_end_of_its_attempts_too(swallowed):
    diary = Diary()
    Category.objects.create(name="Jazz", folded="jazz")

    def handler(ctx: Context) -> None:
        ctx.step.run("step", diary.write, "step")
        with contextlib.suppress(IntegrityError if swallowed else ()):
            Category.objects.create(name="Jazz", folded="jazz")
        ctx.step.run("next", diary.write, "next")

    run = through(handler, retries=1)
    assert run.status == "failed"
