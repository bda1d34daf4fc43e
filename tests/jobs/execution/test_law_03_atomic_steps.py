"""Law 3: a step's database work and its memory commit together."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from jobs.api import Context
from jobs.testing import drain, travel
from songs.models import Category, CreditEntry
from tests.support.functions import Diary, go, ran, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = 4_000_000  # no user has this id; the foreign key is checked at commit


def create(name: str) -> int:
    return Category.objects.create(name=name, folded=name.casefold()).pk


def credit_nobody() -> None:
    CreditEntry.objects.create(user_id=NOBODY, amount=1, kind="grant")


def names() -> list[str]:
    return sorted(Category.objects.values_list("name", flat=True))


def test_a_step_that_returns_leaves_its_rows_and_its_memory():
    run = ran(lambda ctx: ctx.step.run("create", create, "Jazz"))

    assert run.status == "completed"
    assert names() == ["Jazz"]
    assert run.steps.get().output == Category.objects.get().pk


def test_a_step_that_raises_leaves_nothing_but_its_neighbours_stay():
    def spoiled() -> None:
        create("Spoiled")
        raise ValueError("too late")

    def handler(ctx: Context) -> None:
        ctx.step.run("good", create, "Good")
        ctx.step.run("bad", spoiled)

    run = ran(handler, retries=0)
    assert run.status == "failed"
    assert names() == ["Good"]
    assert {step.name: step.status for step in run.steps.all()} == {
        "good": "completed",
        "bad": "failed",
    }


def test_a_step_that_returns_what_cannot_be_remembered_leaves_no_rows():
    def handler(ctx: Context) -> None:
        ctx.step.run("bad", lambda: Category.objects.create(name="Lost", folded="lost"))

    assert "is of type Category" in ran(handler).error["message"]
    assert names() == []


def test_a_body_that_swallows_a_database_error_errs_all_the_same():
    def careless() -> str:
        create("Twice")
        with contextlib.suppress(IntegrityError):
            create("Twice")
        return "fine"

    run = ran(lambda ctx: ctx.step.run("careless", careless), retries=0)
    assert run.status == "failed"
    assert names() == []


def test_a_constraint_broken_at_commit_fails_the_step_that_breaks_it_and_no_other():
    def handler(ctx: Context) -> None:
        ctx.step.run("before", create, "Before")
        try:
            ctx.step.run("breaks", credit_nobody)
        finally:
            ctx.step.run("after", create, "After")

    run = ran(handler, retries=0)
    steps = {step.name: step.status for step in run.steps.all()}
    assert steps == {"before": "completed", "breaks": "failed", "after": "completed"}
    assert run.error["step"] == "breaks"
    assert "IntegrityError" in run.error["message"]
    assert names() == ["After", "Before"]
    assert not CreditEntry.objects.exists()


def test_a_constraint_broken_at_commit_is_retried_like_any_error():
    tries = []

    def mended() -> None:
        tries.append(1)
        if len(tries) < 3:
            credit_nobody()

    with registered(lambda ctx: ctx.step.run("one", mended), retries=3):
        go()
        drain()
        travel(timedelta(seconds=2))
        drain()
    assert the_run().status == "completed"


def test_steps_before_a_refused_commit_that_were_committed_do_not_run_again():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("outside", diary.write, "outside", atomic=False)
        ctx.step.run("breaks", credit_nobody)

    run = ran(handler, retries=0)
    assert (run.status, run.error["step"]) == ("failed", "breaks")
    assert diary.entries == ["outside"]
    assert run.steps_done == 2


def test_a_non_atomic_body_runs_with_no_transaction_open():
    seen = []

    def handler(ctx: Context) -> None:
        ctx.step.run("atomic", create, "Before")
        ctx.step.run("outside", lambda: seen.append(connection.in_atomic_block), atomic=False)

    ran(handler)
    assert seen == [False]


def test_a_non_atomic_body_that_raises_leaves_what_it_did_and_runs_again():
    diary = Diary()

    def outside() -> None:
        create(f"Try {len(diary.entries)}")
        diary.fail_times("outside", 1)

    with registered(lambda ctx: ctx.step.run("outside", outside, atomic=False)):
        go()
        drain()
        travel(timedelta(seconds=2))
        drain()
    assert the_run().status == "completed"
    assert names() == ["Try 0", "Try 1"]


def test_what_a_step_does_on_commit_happens_once_it_is_committed():
    diary = Diary()

    def body() -> None:
        transaction.on_commit(lambda: diary.write(f"step seen: {the_run().steps.exists()}"))

    ran(lambda ctx: ctx.step.run("one", body))
    assert diary.entries == ["step seen: True"]
