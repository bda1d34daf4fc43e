"""Parked runs are cancelled in a set while their line moves on: runs behind them lose no turn."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from jobs.api import Concurrency, Event, send
from jobs.control import cancellation_sets
from jobs.control.cancellation_sets import cancel_plain
from jobs.control.passed_lines import PassedLines
from jobs.execution.executor import execute
from jobs.maintenance.turn_repair import repair_turns
from jobs.models import Reason, Run, RunStatus
from jobs.runs import turns
from jobs.runs.claiming import claim_due
from tests.support.blocking import others
from tests.support.functions import registered

pytestmark = pytest.mark.django_db(transaction=True)

PER_USER = [Concurrency(limit=1, key="event.data.user")]
PATIENCE = 10.0  # seconds


def sent() -> uuid.UUID:
    (event_id,) = send(Event(name="test/go", data={"user": 1}))
    return Run.objects.get(event_id=event_id).id


def cancel_in_a_set(run_id: uuid.UUID) -> None:
    with PassedLines() as passed_lines:
        assert cancel_plain([run_id], {"test-function"}, "", passed_lines) == set()


@contextmanager
def being_cancelled(run_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meanwhile the set is written and not committed."""
    is_written, may_commit = threading.Event(), threading.Event()
    asks = cancellation_sets.is_waited_for

    def asks_later() -> bool:
        if connection.in_atomic_block:  # it is asked before, too
            is_written.set()
            assert may_commit.wait(PATIENCE)
        return asks()

    monkeypatch.setattr(cancellation_sets, "is_waited_for", asks_later)
    with others() as start:
        done = start(lambda: cancel_in_a_set(run_id))
        assert is_written.wait(PATIENCE)
        yield
        may_commit.set()
        done.result(PATIENCE)


@pytest.mark.parametrize("is_there_before", [True, False])
def test_a_run_behind_a_parked_one_that_is_being_cancelled_gets_its_turn(
    is_there_before: bool, monkeypatch: pytest.MonkeyPatch
):
    with registered(lambda ctx: None, concurrency=PER_USER):
        sent()
        (holder,) = claim_due(10)
        parked = sent()
        late = sent() if is_there_before else None
        assert claim_due(10) == []
        with being_cancelled(parked, monkeypatch):
            execute(holder)  # its end passes by the locked run
            late = late or sent()
            assert claim_due(10) == []  # the run that is being cancelled stands before it
        assert [claim.run_id for claim in claim_due(10)] == [late]
    assert Run.objects.get(id=parked).status == RunStatus.CANCELLED
    assert repair_turns() == 0


def test_a_full_line_is_not_locked_for_parked_runs(monkeypatch: pytest.MonkeyPatch):
    locked: list[Any] = []
    monkeypatch.setattr(turns, "lock", lambda keys, line: locked.append(keys))
    with registered(lambda ctx: None, concurrency=PER_USER):
        sent()
        (_holder,) = claim_due(10)
        parked, behind = sent(), sent()
        assert claim_due(10) == []
        cancel_in_a_set(parked)
    assert locked == []
    assert Run.objects.get(id=behind).reason == Reason.TURN
