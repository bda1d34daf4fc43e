"""A database error in the code between two steps is said in a sentence and is the run's, as in a
step; also in a test's own transaction, which is usable afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import Error as DatabaseError
from django.db import connection

from jobs.api import Context
from jobs.execution import unit_of_work
from jobs.models import Run
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


@pytest.fixture(autouse=True)
def no_commit_between_two_steps(monkeypatch) -> None:
    """As one would come on a slow machine."""
    monkeypatch.setattr(unit_of_work, "MAX_OPEN", 60.0)


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
