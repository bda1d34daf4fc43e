"""A database error in the code between two steps is said in a sentence, in PostgreSQL's own words,
and is the run's, as in a step; also in a test's own transaction, which is usable afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import Error as DatabaseError
from django.db import connection, transaction

from jobs.api import Context
from jobs.models import Attempt, Run
from jobs.testing import drain, travel
from songs.models import Category
from tests.support.functions import go, registered, the_run

pytestmark = [
    pytest.mark.parametrize(
        "around",
        [
            pytest.param("a test's transaction", marks=pytest.mark.django_db),
            pytest.param("no transaction", marks=pytest.mark.django_db(transaction=True)),
        ],
    )
]


def divide() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def create(name: str) -> None:
    Category.objects.create(name=name, folded=f"{name} {Category.objects.count()}")


def caught_before_any_step(ctx: Context) -> None:
    with pytest.raises(DatabaseError):
        divide()
    ctx.step.run("one", create, "one")


def caught_between_two(ctx: Context) -> None:
    ctx.step.run("one", create, "one")
    with pytest.raises(DatabaseError):
        divide()
    ctx.step.run("two", create, "two")


def caught_at_the_end(ctx: Context) -> None:
    ctx.step.run("one", create, "one")
    with pytest.raises(DatabaseError):
        divide()


def play(handler) -> Run:
    with registered(handler, retries=1, backoff=[1]):
        go()
        for _ in range(3):
            drain(limit=10)
            travel(timedelta(seconds=2))
    return the_run()


@pytest.mark.parametrize("handler", [caught_between_two, caught_at_the_end])
def test_one_that_is_swallowed_fails_the_run_with_a_sentence(around, handler):
    run = play(handler)
    assert run.status == "failed"
    assert "swallowed a database error" in run.error["message"]
    assert [a.step_name for a in run.attempts.filter(status="error")] == ["", ""]


def test_one_that_is_swallowed_before_any_step_breaks_a_tests_transaction_alone(around):
    run = play(caught_before_any_step)
    assert run.status == ("failed" if around == "a test's transaction" else "completed")
    if run.status == "failed":
        assert "swallowed a database error" in run.error["message"]


def test_one_that_is_not_caught_is_the_runs_own_error(around):
    def handler(ctx: Context) -> None:
        ctx.step.run("one", create, "one")
        divide()

    run = play(handler)
    assert (run.status, len(run.attempts.all())) == ("failed", 2)
    assert "division by zero" in run.error["message"]
    assert Category.objects.count() == 0  # it goes with the transaction, and comes with a retry


# --- in PostgreSQL's own words --------------------------------------------------------------------


def again(name: str) -> None:
    Category.objects.create(name=name, folded="taken")


def swallow(*ignored: object) -> None:
    with pytest.raises(DatabaseError):
        again("second")


def swallow_and_read(*ignored: object) -> None:
    """As `for row in rows: try: save() except: log()` does."""
    swallow()
    Category.objects.count()


def swallow_and_read_by_hand() -> None:
    swallow()
    transaction.set_rollback(False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


SWALLOWING = [swallow, swallow_and_read, swallow_and_read_by_hand]


@pytest.mark.parametrize("swallowing", SWALLOWING)
@pytest.mark.parametrize("is_a_step", [True, False])
def test_the_sentence_has_the_words_and_the_line_of_the_statement_that_failed(
    around, swallowing, is_a_step
):
    def handler(ctx: Context) -> None:
        ctx.step.run("one", again, "first")
        if is_a_step:
            ctx.step.run("two", swallowing)
        else:
            swallowing()
        ctx.step.run("three", create, "three")

    error = play(handler).error
    assert "swallowed a database error" in error["message"]
    assert 'UniqueViolation: duplicate key value violates unique constraint "' in error["message"]
    assert f"of {__file__}, in again" in error["message"]
    assert 'again("second")' in error["stack"]


def create_and_raise(name: str) -> None:
    create(name)
    raise ValueError("mine")


def fail_and_mark(name: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        divide()
    with pytest.raises(ValueError, match="mine"), transaction.atomic(savepoint=False):
        create_and_raise(name)


@pytest.mark.parametrize("is_a_step", [True, False])
def test_a_transaction_that_was_only_marked_for_rollback_is_told_apart(around, is_a_step):
    def handler(ctx: Context) -> None:
        ctx.step.run("one", create, "one")
        if is_a_step:
            ctx.step.run("two", fail_and_mark, "two")
        fail_and_mark("two")
        ctx.step.run("three", create, "three")

    message = play(handler).error["message"]
    assert "marked its transaction for rollback" in message
    assert "division" not in message


def test_words_of_an_earlier_run_are_forgotten(around):
    play(caught_between_two)
    with registered(lambda ctx: [ctx.step.run("one", create, "one"), fail_and_mark("two")]):
        go()
        drain(limit=1)
    assert "division" not in Attempt.objects.latest("id").error_message


@pytest.mark.parametrize("body", [divide, swallow_and_read])
def test_a_body_outside_the_transaction_errs_as_a_step_in_a_tests_transaction_too(around, body):
    def handler(ctx: Context) -> None:
        ctx.step.run("one", again, "first")
        ctx.step.run("two", body, atomic=False)

    run = play(handler)
    if body is swallow_and_read and around == "no transaction":
        assert run.status == "completed"  # each statement has its own transaction there
        return
    assert [a.step_name for a in run.attempts.filter(status="error")] == ["two", "two"]
    words = "division by zero" if body is divide else "UniqueViolation: duplicate key"
    assert words in run.error["message"]
    assert Category.objects.count() == 1
