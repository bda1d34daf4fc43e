"""No run waits for a word that was said while it could not hear it (laws 5 and 6).

Two connections are stopped where they could miss each other: one is in the middle of what the other
depends on. PostgreSQL shows neither what the other has not committed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from jobs.api import Concurrency, Context, InvalidTransition, cancel, rerun
from jobs.events import wake
from jobs.execution.executor import execute
from jobs.maintenance import sweeper, turn_repair
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.runs.line_locks import lock
from jobs.testing import drain
from tests.support.blocking import Uncommitted, others, wait_until_blocked
from tests.support.deaths import leases_lapse
from tests.support.functions import Diary, at_once, go, nap, registered, the_run

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

ONE = [Concurrency(limit=1)]
LINE = "test-function:0:null"


def one_holds_and_others_wait(count: int) -> list[Run]:
    """The first run sleeps with the turn in its hands, the others are parked behind it."""
    runs = [go() for _ in range(count)]
    drain()
    assert reasons() == ["sleep", *["turn"] * (count - 1)]
    return runs


def reasons() -> list[str]:
    unfinished = Run.objects.filter(fn_id="test-function").unfinished().order_by("created_at")
    return list(unfinished.values_list("reason", flat=True))


def turns() -> list[int]:
    unfinished = Run.objects.filter(fn_id="test-function").unfinished().order_by("created_at")
    return list(unfinished.values_list("turns_held", flat=True))


def at_the_lines_lock(*jobs: Callable[[], Any]) -> list[Any]:
    """Have the jobs come to the line's lock in this order, and pass it in this order."""
    with others() as other:
        with transaction.atomic():
            lock([LINE], 0)
            begun = []
            for number, job in enumerate(jobs, start=1):
                begun.append(other(job))
                wait_until_blocked(number)
        return [future.result() for future in begun]


# --- turns: runs that leave a line, and that come to it --------------------------------------


def test_a_run_that_parks_just_before_the_turn_is_passed_on_is_woken():
    with registered(nap(Diary()), concurrency=ONE):
        holder = go()
        drain()
        go()
        claimed, cancelled = at_the_lines_lock(lambda: claim_due(1), lambda: cancel(holder.id))
        assert (claimed, cancelled) == ([], True)
        drain()
    assert turns() == [1]


def test_a_run_that_comes_just_after_the_turn_was_passed_on_finds_it_free():
    with registered(nap(Diary()), concurrency=ONE):
        holder = go()
        drain()
        go()
        cancelled, claimed = at_the_lines_lock(lambda: cancel(holder.id), lambda: claim_due(1))
        assert (cancelled, len(claimed)) == (True, 1)
    assert turns() == [1]


@pytest.mark.parametrize("first", ["holder", "next"])
def test_if_the_next_in_line_leaves_while_the_turn_is_passed_on_the_one_behind_gets_it(first):
    """Whichever is first: the run that leaves passes by a row that another is at."""
    with registered(nap(Diary()), concurrency=ONE):
        holder, second, _ = one_holds_and_others_wait(3)
        leavers = [holder, second] if first == "holder" else [second, holder]
        assert at_the_lines_lock(*[lambda run=run: cancel(run.id) for run in leavers]) == [True] * 2
        drain()
    assert (reasons(), turns()) == (["sleep"], [1])


def test_a_turn_that_was_passed_by_a_transaction_that_came_to_nothing_is_mended():
    """The next in line was locked by a transaction that then did nothing with it. The sweep that
    finds the line standing still waits for none either."""
    with registered(nap(Diary()), concurrency=ONE):
        holder, second, _ = one_holds_and_others_wait(3)
        with transaction.atomic():
            Run.objects.select_for_update().get(id=second.id)
            assert at_once(lambda: cancel(holder.id)) == [True]
            at_once(drain)
            assert reasons() == ["turn", "turn"]
            assert at_once(turn_repair.repair_turns) == [0]
        assert turn_repair.repair_turns() == 1
        drain()
    assert reasons() == ["sleep", "turn"]


@pytest.mark.needs_session("sets the session's timeout")
@pytest.mark.parametrize("how", [{}, {"from_start": True}], ids=["retry", "from the start"])
def test_a_rerun_that_is_refused_has_not_locked_the_next_in_line(how):
    """Else a leaver would pass by the one who is asked for, and is in no state for it."""

    def refused() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
        with pytest.raises(InvalidTransition, match="is queued"):
            rerun(second.id, **how)

    with registered(nap(Diary()), concurrency=ONE):
        _, second = one_holds_and_others_wait(2)
        with transaction.atomic():
            Run.objects.select_for_update().get(id=second.id)
            assert at_once(refused) == [None]


def test_a_sweep_that_ends_runs_of_two_lines_blocks_no_run_that_stands_between_them():
    """Each end is a transaction of its own: the first one's locks are gone when the second one's
    are waited for."""
    lines = [Concurrency(limit=1, key="event.data.user"), Concurrency(limit=9)]
    with registered(nap(Diary()), concurrency=lines, retries=0):
        for user in ("ann", "bob"):
            go({"user": user})
        claim_due(2)
        leases_lapse()
        late = Run.objects.order_by("-created_at").first()
        Run.objects.update(begun=True)
        Run.objects.filter(id=late.id).update(lease_until=Now() - timedelta(milliseconds=1))
        with others() as other:
            with transaction.atomic():
                lock(['test-function:0:"bob"'], 0)
                swept = other(sweeper.sweep)
                wait_until_blocked(1)
                lock(["test-function:1:null"], 1)
            assert swept.result() == 2
    assert set(Run.objects.values_list("status", flat=True)) == {"failed"}


# --- waits: who says the word, and who is on his way ---------------------------------------


def test_a_word_that_comes_while_the_worker_is_at_the_run_is_kept_in_its_row():
    def handler(ctx: Context) -> None:
        with Uncommitted(lambda: wake.wake_runs([claimed.run_id])):
            pass
        ctx.step.sleep("nap", 3600)

    with registered(handler):
        go()
        (claimed,) = claim_due(1)
        execute(claimed)
        assert Run.objects.due().count() == 1


def test_a_worker_that_suspends_while_the_word_is_being_said_waits_for_it():
    with registered(nap(Diary())):
        go()
        (claimed,) = claim_due(1)
        with others() as other:
            with Uncommitted(lambda: wake.wake_runs([claimed.run_id])):
                suspended = other(lambda: execute(claimed))
                wait_until_blocked(1)
            suspended.result()
        assert (the_run().reason, Run.objects.due().count()) == ("sleep", 1)
