"""Law 7 by the thousand: a suspended run costs a row and nothing else, and wakes when it is due."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.api import Context
from jobs.execution.executor import execute
from jobs.models import Attempt, Event, Fetch, LogLine, Run, Step
from jobs.runs.claiming import claim_due, next_due
from jobs.testing import drain, travel
from tests.support.functions import go, ran, registered
from tests.support.sleepers import make_sleepers

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SLEEPERS = 2000
BATCH = 100


def naps(ctx: Context) -> str:
    ctx.step.sleep("nap", HOUR)
    return "awake"


def rows() -> Counter[str]:
    models = (Event, Run, Step, Attempt, LogLine, Fetch)
    return Counter({model.__name__: model.objects.count() for model in models})


def test_a_sleeping_run_is_its_rows_and_nothing_else():
    threads = threading.active_count()
    run = ran(naps)
    assert (run.status, run.reason) == ("waiting", "sleep")
    assert (run.lease_token, run.lease_until) == (None, None)
    assert rows() == Counter(Event=1, Run=1, Step=1)
    assert threading.active_count() == threads


def test_no_look_finds_a_run_that_sleeps():
    run = ran(naps)
    before = Run.objects.values().get()
    with registered(naps):
        assert drain() == 0
        travel(HOUR - timedelta(minutes=1))
        assert drain() == 0
    assert 0 < next_due(3600) <= 60
    assert Run.objects.values().get() == before | {
        name: before[name] - HOUR + timedelta(minutes=1)
        for name in ("created_at", "started_at", "due_at")
    }
    assert run.attempts.count() == 0


def test_thousands_that_wake_at_once_are_claimed_batch_by_batch_and_none_is_left():
    with registered(naps):
        make_sleepers(like=asleep(), count=SLEEPERS)
        travel(HOUR)
        sizes, queries = claim_all()
    assert sizes == [BATCH] * (SLEEPERS // BATCH) + [1]
    assert max(queries) <= 8
    assert Run.objects.filter(status="running").count() == SLEEPERS + 1


def asleep() -> Run:
    run = go()
    drain()
    run.refresh_from_db()
    return run


def claim_all() -> tuple[list[int], list[int]]:
    """How many runs, and how many queries, each batch was."""
    sizes, queries = [], []
    while True:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            claims = claim_due(BATCH)
        if not claims:
            return sizes, queries
        sizes.append(len(claims))
        queries.append(len(asked))


@pytest.mark.needs_session("counts the statements of a session that has switched JIT off")
def test_each_of_them_goes_on_once_and_at_the_same_cost():
    costs = []
    with registered(naps):
        make_sleepers(like=asleep(), count=200)
        travel(HOUR)
        while claims := claim_due(BATCH):
            for claimed in claims:
                with CaptureQueriesContext(connection) as asked:
                    execute(claimed)
                costs.append(len(asked))
    assert Counter(Run.objects.values_list("status", "output")) == {("completed", "awake"): 201}
    assert Step.objects.filter(status="completed").count() == 201
    assert len(costs) == 201
    assert max(costs) <= 8
    assert len(set(costs)) == 1


def test_thousands_that_sleep_on_cost_a_claim_nothing():
    with registered(naps):
        make_sleepers(like=asleep(), count=SLEEPERS)
        with CaptureQueriesContext(connection) as asked:
            assert claim_due(BATCH) == []
        alone = len(asked)
        go()
        with CaptureQueriesContext(connection) as asked:
            (claimed,) = claim_due(BATCH)
        assert len(asked) <= alone + 4
        execute(claimed)
    assert Run.objects.filter(reason="sleep").count() == SLEEPERS + 2
