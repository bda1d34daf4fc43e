"""Law 4: a run is advanced under a lease, and a worker that lost it cannot write."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs.api import Context, Event, send
from jobs.execution.executor import execute
from jobs.models import Attempt, LogLine, Run, Step
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs.models import Category
from tests.support.functions import Diary, at_once, go, registered, the_run, three_steps

pytestmark = pytest.mark.django_db(transaction=True)


def create() -> None:
    print("creating")
    Category.objects.create(name="Late", folded="late")


def steal(run: Run) -> None:
    """Another worker holds the run from now on."""
    Run.objects.filter(id=run.id).update(
        lease_token=uuid.uuid4(), lease_until=Now() + timedelta(minutes=1)
    )


def test_a_claim_is_a_lease_with_a_token_for_a_while():
    with registered(three_steps(Diary())):
        go()
        (claimed,) = claim_due(10, "me")
    run = the_run()
    assert (run.status, run.worker, run.lease_token) == ("running", "me", claimed.token)
    assert run.due_at is None
    assert claim_due(10) == []


def test_a_worker_whose_lease_was_taken_changes_nothing():
    with registered(lambda ctx: ctx.step.run("create", create)):
        run = go()
        (claimed,) = claim_due(10)
        steal(run)
        before = Run.objects.values().get()
        execute(claimed)

    assert Run.objects.values().get() == before
    for model in (Category, Step, Attempt, LogLine):
        assert not model.objects.exists()


def test_a_worker_that_loses_its_lease_in_mid_run_keeps_only_what_it_had_committed():
    def handler(ctx: Context) -> None:
        ctx.step.run("kept", str, atomic=False)
        steal(run)
        ctx.step.run("create", create)

    with registered(handler):
        run = go()
        (claimed,) = claim_due(10)
        execute(claimed)
    assert [step.name for step in the_run().steps.all()] == ["kept"]
    assert not Category.objects.exists()


def test_a_worker_that_lost_its_lease_does_not_begin_what_talks_to_the_outside():
    diary = Diary()
    with registered(lambda ctx: ctx.step.run("call", diary.write, "call", atomic=False)):
        run = go()
        (claimed,) = claim_due(10)
        steal(run)
        execute(claimed)
    assert diary.entries == []


def test_a_late_failure_is_dropped_as_well():
    def handler(ctx: Context) -> None:
        steal(run)
        raise ValueError("late")

    with registered(handler, retries=0, on_failure=lambda ctx: None):
        run = go()
        (claimed,) = claim_due(10)
        execute(claimed)
    assert the_run().status == "running"
    assert Run.objects.count() == 1


def test_workers_that_claim_at_once_get_different_runs():
    with registered(three_steps(Diary())):
        send([Event(name="test/go")] * 40)
        batches = at_once(*[lambda: claim_due(10)] * 4)
        rest = claim_due(40)
    ids = [claimed.run_id for batch in [*batches, rest] for claimed in batch]
    assert len(ids) == len(set(ids)) == 40


def test_a_lease_that_ran_out_gives_the_run_to_the_next():
    with registered(three_steps(Diary())):
        go()
        (dead,) = claim_due(10)
        assert drain() == 0

        travel(timedelta(minutes=1))
        drain()
        assert the_run().status == "completed"
        ended = Run.objects.values().get()
        execute(dead)
    assert Run.objects.values().get() == ended
