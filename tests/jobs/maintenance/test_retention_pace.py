"""What is forgotten is never outrun by what is made, and makes way for it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from jobs import functions
from jobs.api import Event, pause, send
from jobs.execution.executor import execute
from jobs.maintenance import cron, retention
from jobs.models import CronSchedule, Reason, Run, RunStatus, Step
from jobs.models import Event as EventRow
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.deaths import DIED, HERE, leases_lapse
from tests.support.functions import in_a_child, registered
from tests.support.rows import id_at, make_event, make_run, now

pytestmark = [pytest.mark.processes, pytest.mark.django_db]

LONG = timedelta(days=31)
SOON = timedelta(minutes=1)  # within the last second, however slow the test is
OURS = {"turn_keys": [], "turn_limits": [], "turns_held": 0}


def long_ago(count: int) -> None:
    """Runs that ended long ago."""
    with registered(lambda ctx: ctx.step.run("one", lambda: 1)):
        send([Event(name="test/go") for _ in range(count)])
        drain()
    travel(LONG)


def tick() -> None:
    cron.sync()
    CronSchedule.objects.filter(fn_id=retention.FUNCTION).update(next_at=Now())


def a_run_under_way() -> Run:
    """Another cluster's."""
    make_run(**OURS, event=make_event(at=now() + SOON), status="queued", due_at=Now())
    (claimed,) = claim_due(1, "another")
    return Run.objects.get(id=claimed.run_id)


def retentions() -> Any:
    return Run.objects.filter(fn_id=retention.FUNCTION).order_by("id")


@pytest.fixture
def small_rounds(settings, monkeypatch) -> None:
    """Rounds of one batch, batches of one run, and runs of two rounds."""
    settings.JOBS = {**settings.JOBS, "RETENTION_BATCH": 1}
    monkeypatch.setattr("jobs.maintenance.retention.delete_ended.__defaults__", ("", 1))
    monkeypatch.setattr(functions, "MAX_ROUNDS", 2)


# --- no cap ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_rounds")
def test_what_is_more_than_one_run_has_rounds_for_is_forgotten_by_the_next_at_once():
    long_ago(7)
    tick()
    drain()
    assert not Run.objects.exclude(fn_id=retention.FUNCTION).exists()
    assert [run.output["runs"] for run in retentions()] == [2, 2, 2, 1]


@pytest.mark.usefixtures("small_rounds")
def test_where_a_ticks_run_waits_already_that_one_goes_on():
    long_ago(4)
    tick()
    cron.tick()
    first = claim_due(1)
    tick()
    cron.tick()
    execute(first[0])
    assert retentions().count() == 2
    drain()
    assert [run.output["runs"] for run in retentions()][:2] == [2, 2]


@pytest.mark.usefixtures("small_rounds")
def test_while_it_is_paused_no_next_one_goes_on():
    long_ago(4)
    tick()
    cron.tick()
    (first,) = claim_due(1)
    CronSchedule.objects.filter(fn_id=retention.FUNCTION).update(next_at=Now() + LONG)
    pause(retention.FUNCTION)
    execute(first)
    drain()
    assert [run.status for run in retentions()] == [RunStatus.COMPLETED, RunStatus.SKIPPED]


def test_an_event_goes_with_the_last_of_its_runs():
    event = make_event("test/go")
    old, young = make_run(event=event, **OURS), make_run(event=event, **OURS)
    Run.objects.update(status="completed", ended_at=Now())
    travel(LONG)
    Run.objects.filter(id=young.id).update(ended_at=Now())
    done = retention.delete_ended(batches=1)
    assert (done["runs"], done["events"]) == (1, 0)
    assert not Run.objects.filter(id=old.id).exists()
    travel(LONG)
    done = retention.delete_ended(batches=1)
    assert (done["runs"], done["events"]) == (1, 1)
    assert not EventRow.objects.exists()


def test_a_batch_takes_as_many_statements_however_many_runs_are_in_it():
    counts = []
    for size in (2, 40):
        long_ago(size)
        with CaptureQueriesContext(connection) as queries:
            done = retention.delete_ended(batches=1)
        assert (done["runs"], done["events"]) == (size, size)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_rounds")
def test_when_its_worker_dies_between_two_batches_another_goes_on(monkeypatch):
    monkeypatch.setattr("jobs.maintenance.retention.delete_ended.__defaults__", ("", 3))
    real, batches = retention._delete_runs, []

    def die_at_the_second(*args: Any) -> int:
        batches.append(args)
        if os.getpid() != HERE and len(batches) == 2:
            os._exit(DIED)
        return real(*args)

    monkeypatch.setattr(retention, "_delete_runs", die_at_the_second)
    long_ago(5)
    tick()
    cron.tick()
    assert in_a_child(lambda: [execute(claimed) for claimed in claim_due(1)]) == DIED
    assert Run.objects.exclude(fn_id=retention.FUNCTION).count() == 4
    leases_lapse()
    drain()
    assert not Run.objects.exclude(fn_id=retention.FUNCTION).exists()


# --- and it makes way -----------------------------------------------------------------------------


@pytest.mark.usefixtures("small_rounds")
def test_while_runs_are_under_way_it_rests_between_its_rounds_and_keeps_no_worker(monkeypatch):
    monkeypatch.setattr(retention, "LEAST_REST", 0.0)
    monkeypatch.setattr(retention, "LEAD", 0.001)
    monkeypatch.setattr(functions, "MAX_ROUNDS", 9)
    long_ago(3)
    other = a_run_under_way()
    tick()
    cron.tick()
    execute(*claim_due(1))
    run = retentions().get()
    assert (run.status, run.reason) == (RunStatus.WAITING, Reason.SLEEP)
    assert Run.objects.exclude(id__in=[run.id, other.id]).count() == 2
    for _ in range(3):
        Step.objects.filter(run=run).update(due_at=Now())
        Run.objects.filter(id=run.id, ended_at=None).update(due_at=Now())
        for claimed in claim_due(1):
            execute(claimed)
    assert retentions().get().output == {"runs": 3, "events": 3, "clusters": 0}


def test_with_no_run_to_be_seen_it_does_not_rest():
    assert retention._rest(looked_at=500, busy=1.0) == 0.0


def test_the_rest_is_nineteen_parts_of_twenty():
    a_run_under_way()
    assert retention._rest(looked_at=1_000_000, busy=1.0) == pytest.approx(19.0)


def test_it_rests_the_less_the_more_runs_end_meanwhile():
    """A quarter more are forgotten than are made, be it without any rest."""
    event = make_event()
    for _ in range(50):
        make_run(event=event, **OURS, status="completed", ended_at=Now() + SOON)
    assert retention._rest(looked_at=125, busy=1.0) == pytest.approx(1.0)
    assert retention._rest(looked_at=62, busy=1.0) == 0.0


def test_or_the_more_events_come():
    a_run_under_way()
    soon = now() + timedelta(seconds=1)
    EventRow.objects.bulk_create(EventRow(id=id_at(soon), name="x") for _ in range(100))
    of_a_clock_ahead = now() + timedelta(minutes=1)
    EventRow.objects.bulk_create(EventRow(id=id_at(of_a_clock_ahead), name="x") for _ in range(99))
    assert retention._rest(looked_at=250, busy=1.0) == pytest.approx(1.0)
