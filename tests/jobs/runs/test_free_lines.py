"""Turns in free lines are taken in the trip that finds the runs, by what stands after the lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError, connection, transaction

from jobs.api import Concurrency
from jobs.models import Reason, Run, RunStatus
from jobs.platform.postgres import statements
from jobs.runs import claiming
from jobs.runs.claiming import claim_due
from jobs.runs.line_locks import lock
from tests.support.blocking import Uncommitted, others, wait_until_blocked
from tests.support.functions import Diary, go, nap, registered

pytestmark = pytest.mark.django_db(transaction=True)
PER_USER = [Concurrency(limit=1, key="event.data.user")]
LOCKS_LINES = "pg_try_advisory_xact_lock("


@pytest.fixture
def per_user():
    with registered(nap(Diary()), concurrency=PER_USER):
        yield


def line_of(user: str) -> str:
    return f'test-function:0:"{user}"'


def where_they_stand() -> list[tuple[str, str, int]]:
    runs = Run.objects.order_by("created_at", "id")
    return list(runs.values_list("status", "reason", "turns_held"))


HOLDS = (RunStatus.RUNNING, Reason.NONE, 1)
PARKED = (RunStatus.QUEUED, Reason.TURN, 0)


def test_runs_in_free_lines_are_claimed_in_one_trip(per_user, monkeypatch):
    runs = {go({"user": user}).id for user in ("ann", "bob")}
    trips = []
    ask = statements.execute_many
    monkeypatch.setattr(
        statements, "execute_many", lambda *asked, **how: trips.append(asked) or ask(*asked, **how)
    )
    claims = claim_due(10)

    assert ({claim.run_id for claim in claims}, len(trips)) == (runs, 1)
    assert where_they_stand() == [HOLDS, HOLDS]


def test_one_run_of_a_line_passes_the_others_are_parked(per_user):
    first, *_ = [go({"user": "ann"}) for _ in range(3)]

    assert [claim.run_id for claim in claim_due(10)] == [first.id]
    assert where_they_stand() == [HOLDS, PARKED, PARKED]


def test_a_claim_waits_for_a_line_that_is_locked_and_holds_no_runs_row_meanwhile(per_user):
    bob, ann = go({"user": "bob"}), go({"user": "ann"})
    with others() as other:
        with transaction.atomic():
            lock([line_of("ann")], 0)
            claimed = other(lambda: claim_due(10))
            wait_until_blocked(1)
            free = Run.objects.select_for_update(skip_locked=True).filter(lease_token=None)
            assert list(free.values_list("id", flat=True)) == [ann.id]
        claims = claimed.result()

    assert {claim.run_id for claim in claims} == {ann.id, bob.id}


def test_a_run_that_took_the_turn_between_look_and_lock_keeps_it(per_user):
    """It was sent earlier, by a transaction that commits later."""
    with Uncommitted(lambda: go({"user": "ann"})) as early, others() as other:
        late = go({"user": "ann"})

        def let_the_early_one_pass() -> None:
            while other(lambda: is_unlocked(late)).result():
                pass
            early.commit()
            assert [c.run_id for c in other(lambda: claim_due(10)).result()] != [late.id]

        with connection.execute_wrapper(before_lines_are_locked(let_the_early_one_pass)):
            claims = claim_due(10)

    assert claims == []
    assert where_they_stand() == [HOLDS, PARKED]


def is_unlocked(run: Run) -> bool:
    with transaction.atomic():
        return Run.objects.select_for_update(skip_locked=True).filter(pk=run.pk).exists()


def before_lines_are_locked(do: Callable[[], None]) -> Any:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if LOCKS_LINES in sql:
            do()
        return execute(sql, params, many, context)

    return wrapper


def test_an_error_about_a_locked_line_keeps_no_leased_run_from_its_worker(per_user, monkeypatch):
    bob, ann = go({"user": "bob"}), go({"user": "ann"})

    def fails(*asked: Any) -> None:
        raise DataError("interval out of range")

    with Uncommitted(lambda: lock([line_of("ann")], 0)), monkeypatch.context() as patched:
        patched.setattr(claiming, "take_turns", fails)
        assert [claim.run_id for claim in claim_due(10)] == [bob.id]
        with pytest.raises(DataError):  # alone
            claim_due(10)
    assert [claim.run_id for claim in claim_due(10)] == [ann.id]
