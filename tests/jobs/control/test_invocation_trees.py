"""Trees of runs whose runs stand in thousands of lines: PostgreSQL's table of locks, as it is by
default, has room for all sessions together for some seven thousand."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from jobs.api import cancel
from jobs.control.cancellation import SINGLY
from jobs.ids import new_id
from jobs.models import Fetch, Run, RunStatus
from jobs.runs import invocation_tree
from jobs.runs.invocation_tree import unfinished_below
from jobs.runs.line_locks import BUCKETS, MAX_OWN_LOCKS, lock
from tests.jobs.events.test_many_ids import locks
from tests.support.blocking import Uncommitted, others, wait_until_blocked
from tests.support.functions import at_once, registered
from tests.support.rows import make_event, make_run

pytestmark = pytest.mark.django_db(transaction=True)

MANY = MAX_OWN_LOCKS + 50


def a_tree(name: str, size: int = MANY) -> Run:
    """A run that has invoked so many; each of these stands in two lines of its own."""
    root = make_run(status="waiting", reason="invoke", turn_keys=[], turn_limits=[], turns_held=0)
    event = make_event()
    Run.objects.bulk_create(
        Run(
            id=new_id(),
            fn_id="child",
            event=event,
            invoked_by=root,
            turn_keys=[f"child:0:{name}-{n}", f"child:1:{name}-{n}"],
            turn_limits=[1, 1],
            turns_held=1,
        )
        for n in range(size)
    )
    return root


def lines(prefix: str, count: int) -> list[str]:
    return [f"child:0:{prefix}-{n}" for n in range(count)]


def cancelled() -> int:
    return Run.objects.filter(status=RunStatus.CANCELLED).count()


# --- the size of the table ------------------------------------------------------------------------


def test_a_tree_takes_a_bounded_number_of_locks_however_many_lines_its_runs_stand_in():
    with registered(lambda ctx: None, fn_id="child"), transaction.atomic():
        cancel(a_tree("a").id, invoked=True)
        assert locks() <= 2 * BUCKETS
    assert cancelled() == MANY + 1


def test_another_tree_in_the_same_transaction_takes_no_more():
    with transaction.atomic():
        cancel(a_tree("a").id, invoked=True)
        cancel(a_tree("b").id, invoked=True)
        cancel(a_tree("c", size=MAX_OWN_LOCKS // 2).id, invoked=True)
        assert locks() <= 2 * BUCKETS


def test_what_a_savepoint_took_back_is_locked_anew():
    """A line whose bucket is the transaction's no more needs a lock of its own again."""
    with transaction.atomic():
        with transaction.atomic():
            lock(lines("a", MANY), 0)
            transaction.set_rollback(True)
        lock(lines("a", 1), 0)
        assert locks() == 2


# --- how often a tree is looked through -----------------------------------------------------------


def looks(act: Callable[[], object]) -> int:
    """At all that is unfinished below a run."""
    found = 0

    def below(*asked: Any, **options: Any) -> list[uuid.UUID]:
        nonlocal found
        found += 1
        return unfinished_below(*asked, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invocation_tree, "unfinished_below", below)
        act()
    return found


def test_runs_that_go_in_no_set_are_not_looked_through_again_for_each_few():
    """Each has made a request."""
    root = a_tree("a")
    below = Run.objects.filter(invoked_by=root)
    below.update(steps_done=1)
    for run in below:
        Fetch.objects.create(
            run=run, step_name="call", method="GET", url="http://a.test/", timeout=60
        )
    with registered(lambda ctx: None, fn_id="child"):
        few = looks(lambda: cancel(root.id, invoked=True))
    assert cancelled() == MANY + 1
    assert few <= 2 + math.ceil(math.log2(MANY / SINGLY + 1))


# --- lines are decided about by one transaction at a time -----------------------------------------


@pytest.mark.parametrize(("first", "second"), [(1, MANY), (MANY, 1), (MANY, MANY), (1, 1)])
def test_the_second_one_at_a_line_waits_for_the_first(first: int, second: int):
    with others() as start, Uncommitted(lambda: lock(lines("a", first), 0)) as one:
        later = start(lambda: locked(lines("a", second)))
        wait_until_blocked(1)
        one.commit()
        later.result(timeout=30)


def locked(keys: list[str]) -> None:
    with transaction.atomic():
        lock(keys, 0)


def test_transactions_of_few_do_not_wait_for_each_other_because_of_a_bucket():
    with Uncommitted(lambda: lock(lines("a", MAX_OWN_LOCKS), 0)):
        locked(lines("b", MAX_OWN_LOCKS))


def test_one_of_many_does_not_wait_for_those_of_few():
    with Uncommitted(lambda: lock(lines("a", MAX_OWN_LOCKS), 0)):
        locked(lines("b", MANY))


def test_a_run_that_ends_does_not_wait_for_a_tree_that_came_after_it_to_other_lines():
    """It holds its first line, and comes to the second one when the tree has all buckets."""
    with others() as start, transaction.atomic():
        lock(["child:0:mine"], 0)
        start(lambda: locked(lines("a", MANY))).result(timeout=30)
        lock(["child:1:mine"], 1)


def test_trees_that_are_cancelled_two_by_two_never_block_each_other_for_good():
    pairs = [(a_tree(f"a{n}"), a_tree(f"b{n}")) for n in range(3)]

    def cancel_both(first: Run, second: Run) -> None:
        with transaction.atomic():
            cancel(first.id, invoked=True)
            cancel(second.id, invoked=True)

    answers = at_once(*[lambda pair=pair: cancel_both(*pair) for pair in pairs])
    assert answers == [None] * 3
    assert cancelled() == 6 * (MANY + 1)
