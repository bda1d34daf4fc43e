"""What a worker that vanished was at, as its cluster's keeper finds out, and what that means.

The worker is a process of its own, and the board is the real one; its death is `os._exit`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from jobs import keeper, recovery
from jobs.api import Context, Event, TriggerEvent
from jobs.board import Board
from jobs.claims import claim
from jobs.executor import execute
from jobs.keeper import Keeper
from jobs.memory import card_of
from jobs.models import Run, Step, StepKind
from jobs.testing import drain
from tests.functions import Diary, go, in_a_child, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)
DIED = 9
HERE = os.getpid()


def deadly(said: str = "survived") -> str:
    """Ends its process, unless that is the test's own."""
    if os.getpid() != HERE:
        os._exit(DIED)
    return said


def lose_worker() -> None:
    """Have a worker take up the run that is due and die of it; its cluster finds that out."""
    board = Board()

    def work() -> None:
        (claimed,) = claim(1)
        board.begin(claimed.run_id, claimed.token)
        execute(claimed, board)

    assert in_a_child(work) == DIED
    Keeper(board, workers=1)._bury()


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
            patch.setattr("jobs.events.start", lambda runs: deadly())
            lose_worker()
        drain()
    run = the_run()
    assert run.status == "completed"
    assert errors(run) == [("tell", 0)]
    assert run.steps.get().kind == StepKind.SEND
    assert Run.objects.filter(fn_id="told").count() == 1


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
        (claimed,) = claim(1)
        Step.objects.create(
            run_id=claimed.run_id, name="over", kind=StepKind.RUN, status="completed", position=1
        )
        late = card_of(Step.objects.get())
        assert recovery.worker_died(claimed.run_id, claimed.token, 4711, late)
        drain()
    assert the_run().status == "completed"
    assert diary.entries == ["next"]
    assert errors(the_run()) == [("", 0)]


def test_the_keeper_reads_what_a_worker_was_at_after_its_death(monkeypatch):
    board = Board()
    told = []
    board.begin(uuid.uuid4(), uuid.uuid4())
    board.at_step("the first")

    def it_goes_on_and_dies(pid: int) -> bool:
        board.at_step("the second")
        return False

    monkeypatch.setattr(keeper, "is_alive", it_goes_on_and_dies)
    monkeypatch.setattr(recovery, "worker_died", lambda *words: told.append(words[2:]))
    Keeper(board, workers=1)._bury()
    assert told == [(os.getpid(), "the second")]
    assert list(board.entries()) == []
