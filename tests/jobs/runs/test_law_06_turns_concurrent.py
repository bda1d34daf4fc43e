"""Law 6 with real workers: threads that claim at the same moment never exceed a limit."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.db import connection, transaction

from jobs.api import Concurrency, Context, Event, InvalidTransition, cancel, send
from jobs.execution.executor import execute
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.runs.line_locks import lock
from tests.support.blocking import others, wait_until_blocked
from tests.support.functions import at_once, registered

pytestmark = pytest.mark.django_db(transaction=True)


class Room:
    """Who is inside, and the most that ever were, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def enter(self, *keys: str) -> None:
        with self._lock:
            self.inside.update(keys)
            for key in keys:
                self.most[key] = max(self.most[key], self.inside[key])

    def leave(self, *keys: str) -> None:
        with self._lock:
            self.inside.subtract(keys)


def work_until_done() -> None:
    while Run.objects.unfinished().exists():
        for claimed in claim_due(3):
            execute(claimed)


def visits(room: Room):
    def handler(ctx: Context) -> None:
        keys = (ctx.event.data["user"], "all")
        room.enter(*keys)
        ctx.step.run("first", str, atomic=False)
        ctx.step.run("second", str, atomic=False)
        room.leave(*keys)

    return handler


@pytest.mark.parametrize("limit", [1, 2])
def test_workers_at_once_keep_the_limit_of_each_key(limit):
    room = Room()
    concurrency = [Concurrency(limit=limit, key="event.data.user")]
    with registered(visits(room), concurrency=concurrency):
        send([Event(name="test/go", data={"user": f"user {n % 7}"}) for n in range(60)])
        errors = at_once(*[work_until_done] * 4)

    assert errors == [None] * 4
    assert Run.objects.filter(status="completed").count() == 60
    room.most.pop("all")
    assert set(room.most.values()) <= {1, limit}


def test_workers_at_once_keep_two_limits_and_never_block_each_other():
    room = Room()
    concurrency = [Concurrency(limit=1, key="event.data.user"), Concurrency(limit=3)]
    with registered(visits(room), concurrency=concurrency):
        send([Event(name="test/go", data={"user": f"user {n % 6}"}) for n in range(60)])
        errors = at_once(*[work_until_done] * 4)

    assert errors == [None] * 4
    assert Run.objects.filter(status="completed").count() == 60
    assert room.most.pop("all") <= 3
    assert set(room.most.values()) == {1}
    assert not Run.objects.filter(attempts__status="error").exists()


def test_cancelling_while_others_claim_loses_no_turn():
    room = Room()
    with registered(visits(room), concurrency=[Concurrency(limit=1, key="event.data.user")]):
        send([Event(name="test/go", data={"user": f"user {n % 3}"}) for n in range(60)])
        doomed = list(Run.objects.order_by("id").values_list("id", flat=True))[::3]

        def cancel_some() -> None:
            for run_id in doomed:
                if not Run.objects.get(id=run_id).is_finished:
                    try_to_cancel(run_id)

        errors = at_once(work_until_done, cancel_some, work_until_done)

    assert errors == [None] * 3
    assert not Run.objects.unfinished().exists()
    assert Run.objects.filter(status="completed").count() >= 40


def try_to_cancel(run_id) -> None:
    try:
        cancel(run_id)
    except InvalidTransition:
        assert Run.objects.get(id=run_id).status == "completed"


def test_a_run_that_leaves_two_lines_and_one_that_enters_them_do_not_block_each_other():
    """Both stop at the second line's lock, the leaver first; then it is let go."""
    fn_id, second_line = a_function_whose_second_line_is_locked_first()
    concurrency = [Concurrency(limit=1, key="event.data.user"), Concurrency(limit=3)]
    with registered(lambda ctx: ctx.step.sleep("nap", 60), fn_id=fn_id, concurrency=concurrency):
        send([Event(name="test/go", data={"user": user}) for user in ("ann", "ann", "bob")])
        execute(*claim_due(1))
        leaver = Run.objects.order_by("id").first()
        with others() as other:
            with transaction.atomic():
                lock([second_line], 1)
                left = other(lambda: cancel(leaver.id))
                wait_until_blocked(1)
                entered = other(lambda: claim_due(10))
                wait_until_blocked(2)
            assert left.result() is True
            assert len(entered.result()) >= 1


def a_function_whose_second_line_is_locked_first() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, id || ':1:null' FROM (SELECT 'two-lines-' || n AS id FROM"
            " generate_series(1, 1000) n) f WHERE hashtextextended(id || ':1:null', 0) <"
            " hashtextextended(id || ':0:\"ann\"', 0) LIMIT 1"
        )
        return cursor.fetchone()
