"""An execution that ends without a settlement is counted, spaced and bounded, whatever ended it
(jobs/execution/requeue.py). An outage of the database costs no attempt."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from jobs.api import Context
from jobs.execution import requeue
from jobs.execution.executor import execute
from jobs.execution.observer import NullObserver
from jobs.models import LogLine
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import go, registered, the_run
from tests.support.interruptions import create, cut_off, errors, play

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_connection_that_is_cut_once_costs_no_attempt_and_is_told():
    calls: list[int] = []

    def body() -> None:
        calls.append(1)
        if len(calls) == 1:
            cut_off()
        create("kept")

    run = play(lambda ctx: ctx.step.run("one", body), retries=0)
    assert (run.status, errors(run), len(calls)) == ("completed", [], 2)
    line = LogLine.objects.get(run=run, level="WARNING")
    assert "queued again" in line.message
    assert "terminating connection" in line.message


def test_a_body_whose_connection_is_cut_each_time_comes_to_the_end_of_its_attempts():
    calls: list[int] = []

    def body() -> None:
        calls.append(1)
        cut_off()

    run = play(lambda ctx: ctx.step.run("one", body), retries=1)
    assert (run.status, len(calls)) == ("failed", 3)  # the first one is taken for the database's
    assert [step for step, _ in errors(run)] == ["one", "one"]
    assert "terminating connection" in run.error["message"]


def test_the_count_begins_anew_at_each_remembered_step():
    calls: list[str] = []

    def body(name: str) -> None:
        calls.append(name)
        if calls.count(name) == 1:
            cut_off()

    def handler(ctx: Context) -> None:
        for name in "abc":
            ctx.step.run(name, body, name, atomic=False)

    run = play(handler, retries=0)
    assert (run.status, errors(run)) == ("completed", [])
    assert calls == ["a", "a", "b", "b", "c", "c"]
    assert run.requeue_count == 0


@pytest.mark.needs_session("makes its session read-only")
def test_a_body_that_acted_outside_is_not_called_again_when_its_commit_is_broken_off(monkeypatch):
    """A fail-over in the moment of the commit: the memory is committed on another connection."""
    calls: list[int] = []

    def body() -> str:
        calls.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        return "sent"

    run = play(lambda ctx: ctx.step.run("mail", body, atomic=False), retries=0)
    assert (run.status, run.output, calls) == ("completed", "sent", [1])
    assert errors(run) == []


def test_what_cannot_be_told_is_told_shortly_and_what_cannot_be_told_at_all_waits_aside(
    monkeypatch,
):
    """The error path of the error path."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the report broke")

    with registered(lambda ctx: ctx.step.run("loses", connection.close), retries=0):
        go()
        with monkeypatch.context() as patch:
            patch.setattr(requeue, "record_attempt", broken)
            drain()
    run = the_run()
    assert (run.status, run.reason) == ("queued", "aside")
    assert run.error["message"] == requeue.Unreported.__doc__
    assert run.lease_token is None
    assert run.due_at > run.created_at + timedelta(seconds=20)


class Onlooker(NullObserver):
    """A worker's worker table, as far as it is asked here."""


def test_an_error_of_the_engines_own_code_stays_with_its_run_and_ends_its_worker(monkeypatch):
    """Nothing leaves execute(): the run behind it is executed, in another process."""

    def broken(self: Any, *_: Any, **__: Any) -> None:
        raise RuntimeError("the engine broke")

    def fails_to_settle() -> Onlooker:
        (claimed,) = claim_due(1)
        with monkeypatch.context() as patch:
            patch.setattr("jobs.execution.unit_of_work.UnitOfWork.commit", broken)
            watch = Onlooker()
            assert execute(claimed, watch) is None
        return watch

    with registered(lambda ctx: ctx.step.run("one", int), retries=1, backoff=[1]):
        go()
        assert fails_to_settle().is_spoilt
        run = the_run()
        assert (run.status, run.requeue_count, errors(run)) == ("queued", 1, [])
        assert "the engine broke" in LogLine.objects.get(run_id=run.id).message
        assert fails_to_settle().is_spoilt
        run = the_run()
        assert (run.status, run.reason) == ("waiting", "backoff")
        assert errors(run) == [("", "RuntimeError")]
        travel(timedelta(seconds=2))
        (claimed,) = claim_due(1)
        watch = Onlooker()
        assert execute(claimed, watch) is None
        assert not watch.is_spoilt
    assert the_run().status == "completed"


@contextlib.contextmanager
def put_back_afterwards() -> Iterator[None]:
    kept = json.dumps, sys.getrecursionlimit()
    try:
        yield
    finally:
        json.dumps = kept[0]
        sys.setrecursionlimit(kept[1])


def break_json() -> None:
    json.dumps = lambda *_, **__: 1 / 0


SPOILING = {
    "it breaks JSON": break_json,
    "it lowers the limit of nested calls": lambda: sys.setrecursionlimit(
        sys.getrecursionlimit() - 1
    ),
}


@pytest.mark.parametrize("spoil", SPOILING)
def test_a_run_that_spoils_its_process_is_the_last_one_there_also_if_it_goes_well(spoil):
    """Its own step is remembered; what comes next would fail without a fault of its own."""
    with registered(lambda ctx: ctx.step.run("spoils", lambda: None)):
        go()
        (claimed,) = claim_due(1)
        watch = Onlooker()
        execute(claimed, watch)
        assert not watch.is_spoilt
    with registered(lambda ctx: ctx.step.run("spoils", SPOILING[spoil], atomic=False)):
        go()
        (claimed,) = claim_due(1)
        with put_back_afterwards():
            execute(claimed, watch)
    assert watch.is_spoilt
    assert the_run().steps.filter(name="spoils", status="completed").exists()


def test_a_process_in_which_nothing_can_be_told_is_left_with_an_error(monkeypatch):
    """Its worker ends, and the death is counted: else the run would come back uncounted."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("everything is broken")

    with registered(lambda ctx: ctx.step.run("loses", connection.close), retries=0):
        go()
        (claimed,) = claim_due(1)
        monkeypatch.setattr(requeue, "_requeue", broken)
        with pytest.raises(requeue.Unreported, match="neither settled nor set aside"):
            execute(claimed)


def test_a_worker_that_reaches_no_database_for_a_whole_lease_ends(monkeypatch, settings):
    """Its own limits may be the reason; in an outage another worker is as good."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OperationalError("too many open files")

    settings.JOBS = {**settings.JOBS, "LEASE": 1}
    with registered(lambda ctx: ctx.step.run("loses", connection.close), retries=0):
        go()
        (claimed,) = claim_due(1)
        monkeypatch.setattr(requeue, "_requeue", unreachable)
        watch = Onlooker()
        assert execute(claimed, watch) is None
    assert watch.is_spoilt


def test_an_outage_that_a_worker_meets_long_after_costs_no_attempt_however_often(monkeypatch):
    """The server began anew while a slow step was at its work, and the lease was renewed since."""
    calls: list[int] = []

    def slow() -> None:
        calls.append(1)
        if len(calls) < 4:
            cut_off()

    with registered(lambda ctx: ctx.step.run("slow", slow), retries=0):
        go()
        while the_run().status != "completed":
            (claimed,) = claim_due(1)
            before = replace(claimed.clock, at=claimed.clock.at - timedelta(days=3650))
            execute(replace(claimed, clock=before))  # the server has begun since
    assert (len(calls), errors(the_run())) == (4, [])
    assert the_run().requeue_count == 0
