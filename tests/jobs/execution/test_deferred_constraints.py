"""Laws 3 and 10: what the database turns down at commit cannot be swallowed by the function."""

from __future__ import annotations

import contextlib

import pytest
from django.db import IntegrityError, connection

from jobs.api import Context, StepError
from jobs.models import Run
from jobs.testing import drain
from songs.models import Category, CreditEntry
from tests.support.functions import Diary, go, ran, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)


def credit_nobody() -> str:
    CreditEntry.objects.create(user_id=4_000_000, amount=1, kind="grant")
    return "credited"


def create(name: str) -> None:
    Category.objects.create(name=name, folded=name)


def test_an_except_clause_around_a_later_step_does_not_hide_the_step_that_broke():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("breaks", credit_nobody)
        with contextlib.suppress(Exception):
            ctx.step.run("outside", diary.write, "outside", atomic=False)

    run = ran(handler, retries=0)
    assert (run.status, run.error and run.error["step"]) == ("failed", "breaks")
    assert diary.entries == []


def test_not_even_a_bare_except_hides_that_the_steps_before_it_are_undone():
    diary = Diary()

    def handler(ctx: Context) -> str:
        ctx.step.run("good", create, "good")
        with contextlib.suppress(BaseException):
            ctx.step.run("breaks", credit_nobody)
            ctx.step.run("outside", diary.write, "outside", atomic=False)
        return ctx.step.run("last", str)

    run = ran(handler, retries=0)
    assert [(step.name, step.status) for step in run.steps.order_by("position")] == [
        ("good", "completed"),
        ("breaks", "failed"),
        ("last", "completed"),
    ]
    assert Category.objects.filter(name="good").count() == 1
    assert diary.entries == []


def test_steps_committed_before_count_once_though_a_later_commit_is_refused():
    diary = Diary()

    def handler(ctx: Context) -> None:
        for n in range(3):
            ctx.step.run("outside", diary.write, f"outside {n}", atomic=False)
        ctx.step.run("good", create, "good")
        with contextlib.suppress(Exception):
            ctx.step.run("breaks", credit_nobody)
        ctx.step.run("after", create, "after")

    run = ran(handler, retries=0)
    assert run.status == "completed"
    assert diary.entries == ["outside 0", "outside 1", "outside 2"]
    assert run.steps_done == 6
    assert [(a.step_name, a.status) for a in run.attempts.all()] == [("breaks", "error")]


def test_a_row_that_code_between_steps_breaks_at_commit_fails_the_function():
    def handler(ctx: Context) -> None:
        ctx.step.run("good", create, "good")
        credit_nobody()

    run = ran(handler, retries=0)
    assert run.status == "failed"
    assert "IntegrityError" in run.error["name"]
    assert Category.objects.count() == run.steps.count()


def test_a_swallowed_database_error_between_steps_loses_no_step():
    diary = Diary()
    create("taken")

    def handler(ctx: Context) -> None:
        ctx.step.run("good", create, "good")
        with contextlib.suppress(IntegrityError):
            create("taken")
        ctx.step.run("next", diary.write, "next")

    run = ran(handler, retries=0)
    assert run.is_finished
    assert Category.objects.filter(name="good").count() == run.steps.filter(name="good").count()


def test_a_request_that_cannot_be_stored_fails_its_run_and_does_not_go_in_circles(settings):
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["127.0.0.1:9"]}
    with registered(
        lambda ctx: ctx.step.fetch("one", "http://127.0.0.1:9/", method="POST", data="nul \0"),
        retries=0,
    ):
        go()
        drain(limit=5)
    assert the_run().status == "failed"


@pytest.mark.parametrize("id", ["half \ud800", "nul", "日本語"])
def test_a_step_id_of_any_letters_comes_to_an_end(id):
    with registered(lambda ctx: ctx.step.run(id, str), retries=0):
        go()
        drain(limit=5)
    assert not Run.objects.unfinished().exists()


REFUSING = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.name = 'bad' THEN RAISE EXCEPTION 'no bad ones'; END IF; RETURN NEW; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON songs_category DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION public.refuse()
"""


@pytest.fixture
def refusing_trigger():
    """Called at commit."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSING)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION public.refuse() CASCADE")


def test_a_deferred_trigger_that_raises_fails_the_step_that_it_refuses(refusing_trigger):
    def handler(ctx: Context) -> str:
        ctx.step.run("good", create, "good")
        try:
            ctx.step.run("bad", create, "bad")
        except StepError as error:
            return error.message
        return "accepted"

    run = ran(handler, retries=0)
    assert run.status == "completed"
    assert run.output.startswith("no bad ones")
    assert [(a.step_name, a.status) for a in run.attempts.all()] == [("bad", "error")]
    assert [category.name for category in Category.objects.all()] == ["good"]
    assert run.requeue_count == 0
