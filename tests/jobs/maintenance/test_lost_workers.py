"""What a worker that vanished was at, as its cluster's heartbeat finds out, and what that means.

The worker is a process of its own, and the worker table is the real one; its death is `os._exit`.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobs.api import Context, Event, StepError, TriggerEvent
from jobs.cluster import heartbeat
from jobs.cluster.heartbeat import Heartbeat
from jobs.cluster.worker_table import WorkerTable
from jobs.execution.current_step import encode_current_step
from jobs.maintenance import lost_workers
from jobs.models import Run, Step, StepKind
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.deaths import deadly, lose_worker
from tests.support.functions import Diary, go, registered, the_run

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def errors(run: Run) -> list[tuple[str, int]]:
    return list(run.attempts.filter(status="error").values_list("step_name", "number"))


def two_branches(ctx: Context) -> None:
    """The same id in both."""
    ctx.step.parallel([lambda: ctx.step.run("drink", str), lambda: ctx.step.run("drink", deadly)])


def at_once(handler: Callable[[Context], Any], retries: int) -> Any:
    return registered(handler, retries=retries, backoff=[0])


def test_a_worker_lost_in_a_branch_is_an_attempt_of_that_branchs_step():
    with at_once(two_branches, retries=2):
        go()
        lose_worker()
        lose_worker()
        drain()
    run = the_run()
    assert run.status == "completed"
    assert errors(run) == [("drink:1", 0), ("drink:1", 1)]
    assert run.steps.get(name="drink:1").attempts == 3
    assert run.steps.count() == 2


def test_a_branch_that_kills_every_worker_fails_after_its_attempts():
    with at_once(two_branches, retries=2):
        go()
        for _ in range(3):
            lose_worker()
        drain()
    run = the_run()
    assert (run.status, run.error["step"]) == ("failed", "drink:1")
    assert errors(run) == [("drink:1", 0), ("drink:1", 1), ("drink:1", 2)]
    assert run.steps.get(name="drink").status == "completed"


def test_a_worker_lost_while_it_sends_an_event_leaves_the_step_what_it_was(monkeypatch):
    with (
        at_once(lambda ctx: ctx.step.send_event("tell", Event(name="test/told")), retries=1),
        registered(print, fn_id="told", trigger=TriggerEvent(event="test/told", if_exp="true")),
    ):
        go()
        with monkeypatch.context() as patch:
            patch.setattr("jobs.events.insertion.insert_statements", lambda pairs: deadly())
            lose_worker()
        drain()
    run = the_run()
    assert run.status == "completed"
    assert errors(run) == [("tell", 0)]
    assert run.steps.get().kind == StepKind.SEND
    assert Run.objects.filter(fn_id="told").count() == 1


def test_a_lost_attempt_lasted_as_long_as_its_worker_was_at_it(monkeypatch):
    with at_once(lambda ctx: ctx.step.run("drink", str), retries=1):
        go()
        (claimed,) = claim_due(1)
        with monkeypatch.context() as patch:
            ten_minutes_ago = time.monotonic() - 600
            patch.setattr(time, "monotonic", lambda: ten_minutes_ago)
            card = encode_current_step(Step(name="drink", kind=StepKind.RUN))
        assert lost_workers.record_lost_worker(claimed.run_id, claimed.token, 4711, card)
    assert the_run().attempts.get().duration // timedelta(minutes=1) == 10


def test_a_step_that_kills_every_worker_is_over_and_the_function_may_go_another_way():
    def handler(ctx: Context) -> str:
        try:
            return ctx.step.run("drink", deadly)
        except StepError as error:
            return ctx.step.run("water", str, error.name)

    with at_once(handler, retries=1):
        go()
        lose_worker()
        lose_worker()
        drain()
    run = the_run()
    assert (run.status, run.output) == ("completed", "WorkerLost")
    assert run.steps_done == 2
    assert run.steps.get(name="drink").ended_at is not None


def test_branches_keep_their_times_when_a_worker_is_lost_in_one_of_them():
    """Who sleeps wakes in time, and what the worker died of is not hurried by that."""
    diary = Diary()

    def handler(ctx: Context) -> None:
        def left() -> None:
            ctx.step.sleep("nap", 20)
            ctx.step.run("awake", diary.write, "awake")

        def right() -> None:
            ctx.step.sleep("short nap", 10)
            diary.write(ctx.step.run("drink", deadly, "drunk"))

        ctx.step.parallel([left, right])

    with registered(handler, retries=1, backoff=[60]):
        go()
        drain()
        travel(timedelta(seconds=10))
        lose_worker()
        travel(timedelta(seconds=10))
        drain()
        assert diary.entries == ["awake"]
        assert (the_run().status, the_run().reason) == ("waiting", "backoff")
        travel(timedelta(seconds=50))
        drain()
    assert (the_run().status, diary.entries) == ("completed", ["awake", "drunk"])


def test_a_long_name_of_a_step_is_told_whole():
    name = "ü" * 180
    with at_once(lambda ctx: ctx.step.run(name, deadly), retries=1):
        go()
        lose_worker()
        drain()
    assert errors(the_run()) == [(name, 0)]
    assert the_run().steps.get().attempts == 2


def test_a_death_that_is_told_of_a_step_that_is_over_does_not_undo_it():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("over", diary.write, "over", atomic=False)
        ctx.step.run("next", diary.write, "next")

    with at_once(handler, retries=1):
        go()
        (claimed,) = claim_due(1)
        Step.objects.create(
            run_id=claimed.run_id, name="over", kind=StepKind.RUN, status="completed", position=1
        )
        late = encode_current_step(Step.objects.get())
        assert lost_workers.record_lost_worker(claimed.run_id, claimed.token, 4711, late)
        drain()
    assert the_run().status == "completed"
    assert diary.entries == ["next"]
    assert errors(the_run()) == [("", 0)]


def test_the_heartbeat_reads_what_a_worker_was_at_after_its_death(monkeypatch):
    worker_table = WorkerTable()
    told = []
    worker_table.begin(uuid.uuid4(), uuid.uuid4())
    worker_table.step_changed("the first")

    def it_goes_on_and_dies(pid: int) -> bool:
        worker_table.step_changed("the second")
        return False

    monkeypatch.setattr(heartbeat, "is_alive", it_goes_on_and_dies)
    monkeypatch.setattr(lost_workers, "record_lost_worker", lambda *words: told.append(words[2:]))
    Heartbeat(worker_table)._report_dead_workers()
    assert told == [(os.getpid(), "the second")]
    assert list(worker_table.entries()) == []
