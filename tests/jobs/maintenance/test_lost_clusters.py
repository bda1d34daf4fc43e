"""A whole cluster that vanishes: the first loss costs no attempt; a run that is lost again and
again comes to the end of its attempts, and its neighbours do not pay for it."""

from __future__ import annotations

import pytest
from django.db import transaction

from jobs.api import Context
from jobs.execution.executor import execute
from jobs.maintenance import sweeper
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from tests.support.deaths import deadly, leases_lapse, lose_cluster, lost_attempts
from tests.support.functions import Diary, at_once, go, registered, the_run, three_steps

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def poison(ctx: Context) -> None:
    ctx.step.run("drink", deadly)


def test_the_first_loss_costs_no_attempt():
    with registered(poison, retries=0):
        run = go()
        lose_cluster()
        run.refresh_from_db()
        assert (run.status, run.attempt, run.lost_count) == ("queued", 0, 1)
        drain()
    assert the_run().status == "completed"
    assert lost_attempts(run) == []


def test_a_run_that_takes_its_cluster_down_every_time_fails_after_its_attempts():
    with registered(poison, retries=2, backoff=[0], on_failure=lambda ctx: None):
        run = go()
        for _ in range(4):  # none for the first, then three attempts
            lose_cluster()
        assert lost_attempts(run) == [("", 0), ("", 1), ("", 2)]
        drain()
    run.refresh_from_db()
    assert (run.status, run.error["name"]) == ("failed", "WorkerLost")
    assert Run.objects.filter(fn_id="test-function-failure").count() == 1


def test_a_run_that_was_claimed_beside_it_and_not_begun_is_never_blamed():
    with registered(poison, retries=1, backoff=[0]):
        run, neighbour = go(), go()
        for _ in range(3):
            lose_cluster()
    neighbour.refresh_from_db()
    assert lost_attempts(run) == [("", 0), ("", 1)]
    assert (neighbour.status, neighbour.attempt, neighbour.lost_count) == ("queued", 0, 3)
    assert lost_attempts(neighbour) == []


def test_losses_and_errors_between_steps_share_their_attempts():
    def handler(ctx: Context) -> None:
        deadly()
        raise ValueError("here")

    with registered(handler, retries=1, backoff=[0]):
        run = go()
        lose_cluster()
        lose_cluster()
        drain()
    run.refresh_from_db()
    assert run.status == "failed"
    errors = run.attempts.values_list("step_name", "number", "error_class")
    assert list(errors) == [("", 0, "jobs.errors.WorkerLost"), ("", 1, "ValueError")]


def test_a_steps_errors_use_up_no_attempt_of_a_loss_between_steps():
    diary = Diary()

    def handler(ctx: Context) -> None:
        deadly()
        ctx.step.run("step", diary.fail_times, "step", 2)

    with registered(handler, retries=2, backoff=[0]):
        run = go()
        lose_cluster()
        execute(*claim_due(1))
        execute(*claim_due(1))
        run.refresh_from_db()
        assert (run.attempt, run.function_errors) == (2, 0)
        lose_cluster()
        run.refresh_from_db()
        assert (run.status, run.attempt, run.function_errors) == ("waiting", 1, 1)
        drain()
    run.refresh_from_db()
    assert run.status == "completed"
    assert lost_attempts(run) == [("", 0)]


def test_losses_between_steps_use_up_no_attempt_of_a_step():
    diary = Diary()

    def handler(ctx: Context) -> None:
        deadly()
        ctx.step.run("step", diary.fail_times, "step", 2)

    with registered(handler, retries=2, backoff=[0]):
        run = go()
        for _ in range(3):  # none for the first, then two attempts of three
            lose_cluster()
        drain()
    run.refresh_from_db()
    assert (run.status, run.function_errors) == ("completed", 0)
    assert run.steps.get().attempts == 3


def test_a_locked_run_is_left_to_the_next_sweep():
    with registered(three_steps(Diary())):
        busy, other = go(), go()
        claim_due(10)
        leases_lapse()
        with transaction.atomic():
            Run.objects.select_for_update().get(id=busy.id)
            assert at_once(sweeper.sweep) == [1]
        other.refresh_from_db()
        assert other.status == "queued"
        assert sweeper.sweep() == 1
