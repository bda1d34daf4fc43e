"""What a step has committed stays, whatever its callbacks of `transaction.on_commit` raise: the
error is a log line of the run, the callbacks behind it are called, and the next in the line goes
on at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from jobs.api import Concurrency, Context, Event, send
from jobs.models import Attempt, LogLine, Run
from jobs.testing import drain, travel
from songs.models import Category
from tests.chaos.clusters import Cluster, wait_until
from tests.support.database import cluster_environment
from tests.support.functions import go, registered, the_run

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]


class Panic(BaseException):
    """As a panic of Rust's comes to Python."""


KINDS = [ZeroDivisionError, OperationalError, IntegrityError, SystemExit, Panic]


class Callbacks:
    """A body that leaves two callbacks, of which the first one errs."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind, self.called = kind, []

    def body(self) -> str:
        Category.objects.create(name="kept", folded=f"kept {Category.objects.count()}")
        transaction.on_commit(self.errs)
        transaction.on_commit(lambda: self.called.append("second"))
        return "done"

    def errs(self) -> None:
        self.called.append("first")
        raise self.kind("from the callback")


def play(handler: Callable[[Context], Any]) -> Run:
    with registered(handler, retries=1, backoff=[1]):
        go()
        for _ in range(3):
            drain(limit=20)
            travel(timedelta(seconds=2))
    return the_run()


def is_right(run: Run, callbacks: Callbacks) -> None:
    assert run.status == "completed", run.error
    assert callbacks.called == ["first", "second"]
    assert Category.objects.count() == 1
    assert not run.attempts.filter(status="error").exists()
    line = run.log_lines.get(level="ERROR")
    assert f"{callbacks.kind.__name__}: from the callback" in line.message
    assert "in errs" in line.message  # its traceback


@pytest.mark.parametrize("kind", KINDS)
def test_of_the_last_step(kind):
    callbacks = Callbacks(kind)
    is_right(play(lambda ctx: ctx.step.run("one", callbacks.body)), callbacks)


@pytest.mark.parametrize("kind", KINDS)
def test_before_a_step_that_is_not_atomic_whose_body_is_called_once(kind):
    callbacks, calls = Callbacks(kind), []

    def handler(ctx: Context) -> None:
        ctx.step.run("one", callbacks.body)
        ctx.step.run("outside", calls.append, "outside", atomic=False)

    is_right(play(handler), callbacks)
    assert calls == ["outside"]


@pytest.mark.parametrize("kind", KINDS)
def test_before_a_sleep(kind):
    callbacks = Callbacks(kind)

    def handler(ctx: Context) -> None:
        ctx.step.run("one", callbacks.body)
        ctx.step.sleep("nap", 1)

    is_right(play(handler), callbacks)


def test_of_a_run_that_fails_the_failure_stays_the_authors():
    callbacks = Callbacks(ValueError)

    def handler(ctx: Context) -> None:
        ctx.step.run("one", callbacks.body)
        ctx.step.run("breaks", int, "x")

    run = play(handler)
    assert (run.status, run.error["step"]) == ("failed", "breaks")
    assert set(callbacks.called) == {"first", "second"}


def test_a_callback_that_closes_the_connection_costs_nothing():
    def body() -> None:
        transaction.on_commit(connection.close)

    def handler(ctx: Context) -> None:
        ctx.step.run("one", body)
        ctx.step.run("two", int, atomic=False)
        ctx.step.run("three", int)

    run = play(handler)
    assert (run.status, run.steps_done, run.attempts.count()) == ("completed", 3, 0)


def test_in_a_cluster_the_next_in_the_line_goes_on_at_once(tmp_path: Path):
    """The worker goes on with it there and then: it has lost nothing by the error."""
    environment = cluster_environment("tests.catalogue.settings", workers=1)
    options: dict[str, Any] = {"fn_id": "callback-in-a-line", "retries": 0}
    with registered(lambda ctx: None, concurrency=[Concurrency(limit=1)], **options):
        for _ in range(4):
            send(Event(name="test/go"))
    cluster = Cluster(1, environment, tmp_path)
    try:
        wait_until(lambda: not Run.objects.unfinished().exists(), cluster)
        told = LogLine.objects.filter(level="ERROR")  # the hook's error comes after the commit
        wait_until(lambda: told.count() == 4, cluster)
    finally:
        cluster.kill_for_good()
    runs = Run.objects.filter(fn_id="callback-in-a-line")
    assert set(runs.values_list("status", "lost_count", "requeue_count")) == {("completed", 0, 0)}
    assert not Attempt.objects.exists()
    assert all(run.log_lines.filter(level="ERROR").count() == 1 for run in runs)
