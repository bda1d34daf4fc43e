"""A transaction that takes the locks of many lines beside one that comes back for a second line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from jobs.api import cancel
from jobs.runs.line_locks import MAX_OWN_LOCKS, lock
from tests.jobs.control.test_invocation_trees import MANY, a_tree, cancelled, lines
from tests.support.blocking import others, wait_until_blocked
from tests.support.functions import registered
from tests.support.rows import make_run

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 30.0  # seconds


def locked(count: int) -> None:
    with transaction.atomic():
        lock(lines("a", count), 0)


@pytest.mark.parametrize("size", [2, MAX_OWN_LOCKS, MAX_OWN_LOCKS + 1, 4 * MAX_OWN_LOCKS])
def test_a_set_of_lines_and_a_transaction_that_locks_twice_may_have_one_line_in_common(size: int):
    with others() as start, transaction.atomic():
        lock(lines("a", 1), 0)
        later = start(lambda: locked(size))
        wait_until_blocked(1)  # over the common line
        lock(["child:0:another"], 0)
    later.result(PATIENCE)


@pytest.mark.parametrize("size", [2, MAX_OWN_LOCKS, MAX_OWN_LOCKS + 1, 4 * MAX_OWN_LOCKS])
def test_a_transaction_that_locks_twice_waits_for_a_set_that_came_first(size: int):
    def twice() -> None:
        with transaction.atomic():
            lock(["child:0:another"], 0)
            lock(lines("a", 1), 0)

    with others() as start:
        with transaction.atomic():
            lock(lines("a", size), 0)
            later = start(twice)
            wait_until_blocked(1)
        later.result(PATIENCE)


def standing_in(first: str, second: str):
    return make_run(fn_id="child", turn_keys=[first, second], turn_limits=[9, 9], turns_held=1)


@pytest.mark.parametrize(
    "common",
    [lambda: standing_in("child:0:a-7", "child:1:own"), lambda: standing_in("own", "child:1:a-7")],
    ids=["the first line", "the second line"],
)
def test_a_tree_and_a_transaction_that_cancels_two_runs_may_have_one_line_in_common(
    common: Callable[[], object],
):
    one, another = common(), standing_in("child:0:others", "child:1:others")
    root = a_tree("a").id
    with registered(lambda ctx: None, fn_id="child"), others() as start:
        with transaction.atomic():
            cancel(one.id)
            tree = start(lambda: cancel_tree(root))
            wait_until_blocked(1)
            cancel(another.id)
        tree.result(PATIENCE)
    assert cancelled() == MANY + 3


def cancel_tree(root: object) -> None:
    with transaction.atomic():
        cancel(root, invoked=True)
