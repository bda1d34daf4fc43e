"""A run may end in a process that cannot run its function: its module is broken here, or the code
is another version's. What the function says of retries, times and hooks holds all the same, by the
row that a cluster wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps

from jobs.api import Context, Timeouts, cancel, rerun
from jobs.control import pauses
from jobs.control.cancel_on import _cancel
from jobs.errors import WorkerLost
from jobs.execution.lost_attempt import record_attempt
from jobs.maintenance import sweeper
from jobs.models import Reason, RegisteredFunction, Run, RunStatus
from jobs.registry import catalog, rows, unusable
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db

HOOKS: dict[str, Any] = {
    "on_failure": lambda ctx: "mourned",
    "on_cancel": lambda ctx: "cleared",
    "on_retry": lambda ctx: "hoped",
}


def sleeping(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def a_run_of_another_cluster(**options: Any) -> Run:
    """Its function is known to the cluster that wrote its row, and no longer here."""
    with registered(sleeping, **HOOKS | options):
        rows.sync()
        run = go()
        drain()
    run.refresh_from_db()
    return run


def hooks(moment: str) -> list[tuple[str, str]]:
    found = Run.objects.filter(fn_id=f"test-function-{moment}").order_by("id")
    return list(found.values_list("status", "reason"))


def test_a_cancelled_run_has_its_on_cancel_wait_for_a_cluster_that_can_run_it():
    run = a_run_of_another_cluster()
    assert cancel(run.id)
    drain()
    assert hooks("cancel") == [(RunStatus.QUEUED, Reason.FUNCTION)]

    with registered(sleeping, **HOOKS):
        travel(timedelta(seconds=31))
        drain()
    assert the_run("test-function-cancel").output == "cleared"


def test_so_has_one_that_is_late():
    run = a_run_of_another_cluster(timeouts=Timeouts(finish=60))
    travel(timedelta(seconds=61))
    sweeper.sweep()
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert len(hooks("cancel")) == 1


def test_so_have_those_that_are_cancelled_together():
    with registered(sleeping, **HOOKS):
        rows.sync()
        runs = [go() for _ in range(3)]
        drain()
    assert _cancel(runs, "all of them") == 3
    assert len(hooks("cancel")) == 3


def test_so_has_one_of_a_function_that_is_refused_here(monkeypatch: pytest.MonkeyPatch):
    run = a_run_of_another_cluster()
    with refused(monkeypatch, on_cancel=lambda ctx: "cleared"):
        rows.sync()  # this cluster's row says why
        assert "unfit" in RegisteredFunction.objects.get(fn_id="test-function").config
        assert cancel(run.id)
    assert len(hooks("cancel")) == 1


def test_a_lost_run_has_the_attempts_and_delays_of_its_function():
    run = a_run_of_another_cluster(retries=8, backoff=[7])
    for number in range(5):  # one without `retries` has five
        travel(timedelta(hours=2))
        lose(run)
        assert (run.status, run.function_errors) == (RunStatus.WAITING, number + 1)
    again = run.attempts.latest("number")
    assert again.retry_at is not None
    assert again.retry_at - again.ended_at == timedelta(seconds=7)


def test_a_lost_run_that_has_no_attempts_left_has_its_on_failure():
    run = a_run_of_another_cluster(retries=0)
    travel(timedelta(hours=2))
    lose(run)
    assert run.status == RunStatus.FAILED
    assert len(hooks("failure")) == 1


def test_a_run_that_is_retried_has_its_on_retry_and_its_time_to_start():
    with registered(sleeping, timeouts=Timeouts(start=600), **HOOKS):
        rows.sync()
        run = go()
    cancel(run.id)
    rerun(run.id)
    run.refresh_from_db()
    assert len(hooks("retry")) == 1
    assert run.expires_at is not None
    assert run.ready_at is not None
    assert run.expires_at - run.ready_at == timedelta(seconds=600)


def test_a_function_without_hooks_or_without_a_row_starts_none():
    with registered(sleeping):
        rows.sync()
        run, without_row = go(), go()
    cancel(run.id)
    RegisteredFunction.objects.all().delete()
    cancel(without_row.id)
    assert hooks("cancel") == []


def test_a_paused_hook_is_skipped_as_ever():
    run = a_run_of_another_cluster()
    pauses.pause("test-function-cancel")
    cancel(run.id)
    assert hooks("cancel") == [(RunStatus.SKIPPED, Reason.PAUSED)]


def lose(run: Run) -> None:
    """As a sweep does for a cluster that went silent."""
    with registered(sleeping):
        (claim,) = claim_due(1, "lost")
    assert not catalog.knows(claim.fn_id)
    record_attempt(Run.objects.get(id=run.id), WorkerLost("The whole cluster went silent."))
    run.refresh_from_db()


@contextmanager
def refused(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[None]:
    """A function whose declaration has a slip, while Django starts."""
    for name in ("_refused", "_unwritten"):
        monkeypatch.setattr(unusable, name, {})
    monkeypatch.setattr(apps, "ready", False)
    with registered(sleeping, retry=3, **options):
        monkeypatch.setattr(apps, "ready", True)
        yield
