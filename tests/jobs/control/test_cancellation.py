"""A person's cancel: wins without the worker's co-operation, once, and passes the turn on."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from jobs.api import Concurrency, Context, InvalidTransition, UnknownRun, cancel
from jobs.execution.executor import execute
from jobs.fetch import outbox
from jobs.models import Event as EventRow
from jobs.models import Fetch, Run, Step
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs.models import Category
from tests.support.functions import Diary, at_once, go, nap, ran, registered, the_run, three_steps

pytestmark = pytest.mark.django_db


def test_a_waiting_run_is_cancelled_and_does_nothing_more():
    diary = Diary()
    with registered(nap(diary)):
        run = go()
        drain()
        assert cancel(run.id) is True
        travel(timedelta(hours=2))
        drain()
    run.refresh_from_db()
    assert (run.status, run.reason, run.due_at) == ("cancelled", "", None)
    assert run.ended_at is not None
    assert diary.entries == ["before"]


def test_a_run_that_has_not_begun_never_begins():
    diary = Diary()
    with registered(three_steps(diary)):
        cancel(str(go().id))
        drain()
    assert (the_run().status, diary.entries) == ("cancelled", [])


def test_cancelling_twice_is_no_error_and_does_nothing_twice():
    with registered(nap(Diary()), on_cancel=lambda ctx: None):
        run = go()
        assert [cancel(run.id), cancel(run.id)] == [True, False]
        drain()
    assert Run.objects.filter(fn_id="test-function-cancel").count() == 1
    assert EventRow.objects.filter(name="jobs/function.cancelled").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_late_with_its_result_changes_nothing():
    def handler(ctx: Context) -> str:
        ctx.step.run("create", lambda: Category.objects.create(name="x", folded="x").pk)
        assert at_once(lambda: cancel(ctx.run_id)) == [True]
        return "late"

    with registered(handler):
        go()
        execute(*claim_due(10))
    run = the_run()
    assert (run.status, run.output) == ("cancelled", None)
    assert not Category.objects.exists()
    assert not Step.objects.exists()


@pytest.mark.parametrize(
    ("why", "told"), [("a\0b", "a\\0b"), ("\ud800", "\\ud800"), ("x" * 9000, "x" * 3999 + "…")]
)
def test_a_reason_of_any_letters_is_kept_readable(why: str, told: str):
    with registered(nap(Diary())):
        cancel(go().id, why=why)
    assert the_run().error["message"] == told


def test_the_turn_passes_on_at_once():
    with registered(nap(Diary()), concurrency=[Concurrency(limit=1)]):
        first, second = go(), go()
        drain()
        cancel(first.id)
        drain()
    second.refresh_from_db()
    assert (second.status, second.reason) == ("waiting", "sleep")


def test_a_request_that_was_not_sent_yet_is_not_sent(endpoint):
    with registered(lambda ctx: ctx.step.fetch("call", endpoint.url).json()):
        run = go()
        execute(*claim_due(10))
        cancel(run.id)
        drain()
    assert endpoint.asked == []
    assert Fetch.objects.get().status == "failed"


def test_a_request_whose_gateway_died_is_not_sent_again_for_a_cancelled_run(endpoint):
    with registered(lambda ctx: ctx.step.fetch("call", endpoint.url).json()):
        run = go()
        execute(*claim_due(10))
        outbox.lease_requests(10)
        cancel(run.id)
        travel(timedelta(minutes=1))
        drain()
    assert endpoint.asked == []
    fetch = Fetch.objects.get()
    assert (fetch.status, fetch.lease_token) == ("failed", None)
    assert fetch.error["message"] == "its run has ended"


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_run_that_has_ended_cannot_be_cancelled(end):
    def handler(ctx: Context) -> None:
        if end == "failed":
            raise ValueError("no")

    run = ran(handler, retries=0)
    before = Run.objects.values().get(id=run.id)
    with pytest.raises(InvalidTransition, match=f"is {end}; only unfinished runs can be cancelled"):
        cancel(run.id)
    assert Run.objects.values().get(id=run.id) == before


@pytest.mark.parametrize("run_id", [uuid.UUID(int=0), "not-an-id", "", None, 7])
def test_an_id_that_is_none_is_told(run_id):
    with pytest.raises(UnknownRun, match="There is no run"):
        cancel(run_id)
