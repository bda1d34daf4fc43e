"""What ended long ago is forgotten; what is unfinished never is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models import F
from django.db.models.functions import Now

from jobs.api import Context, Event, cancel, rerun, send
from jobs.maintenance import cron, deletion, retention
from jobs.models import (
    Attempt,
    Cluster,
    CronSchedule,
    Fetch,
    LogLine,
    Run,
    Step,
)
from jobs.models import Event as EventRow
from jobs.testing import drain, travel
from tests.support.functions import Diary, registered
from tests.support.rows import completed_run, make_cluster, make_event

pytestmark = pytest.mark.django_db

LONG = timedelta(days=31)


def do_two_things(ctx: Context) -> str:
    ctx.step.run("first", lambda: 1)
    print("said")
    ctx.step.run("second", lambda: 2)
    return "done"


def sleep_for_a_year(ctx: Context) -> str:
    ctx.step.run("first", lambda: 1)
    ctx.step.sleep("nap", timedelta(days=365))
    return "woke"


def fail(ctx: Context) -> None:
    ctx.step.run("first", lambda: 1)
    ctx.step.run("second", int, "no number")


def run_once(handler: Any = do_two_things, **options: Any) -> Run:
    with registered(handler, **options):
        send(Event(name="test/go"))
        drain()
    return Run.objects.filter(fn_id="test-function").latest("id")


def test_a_run_that_ended_long_ago_is_forgotten_with_all_that_hangs_on_it():
    completed_run()
    travel(LONG)
    done = retention.delete_ended()
    assert (done["runs"], done["events"], done["more"]) == (1, 1, False)
    for model in (Run, Step, Attempt, LogLine, Fetch, EventRow):
        assert not model.objects.exists(), model


def test_each_table_that_refers_to_runs_is_named_in_the_deletion():
    """Django's own would follow a new one by itself."""
    text = " ".join(deletion.OF_RUNS)
    relations = [relation.field for relation in Run._meta.related_objects]
    assert len(relations) > 5
    for field in relations:
        assert f"{field.model._meta.db_table} " in text
        assert f"{field.column} = ANY" in text


def test_a_run_that_ended_lately_is_kept_however_old_it_is():
    with registered(sleep_for_a_year):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(days=365))
        drain()
    done = retention.delete_ended()
    assert (done["runs"], done["events"]) == (0, 0)
    assert Run.objects.get().output == "woke"


def test_an_unfinished_run_is_never_touched_nor_its_event():
    with registered(sleep_for_a_year):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(days=300))
        done = retention.delete_ended()
        assert (done["runs"], done["events"]) == (0, 0)
        travel(timedelta(days=66))
        drain()
    assert Run.objects.get().output == "woke"


def test_a_run_is_kept_while_a_rerun_of_it_is_unfinished():
    first = run_once()
    with registered(do_two_things):
        rerun(str(first.id), from_step="second")
    travel(LONG)
    assert retention.delete_ended()["runs"] == 0
    with registered(do_two_things):
        drain()
    assert retention.delete_ended()["runs"] == 1
    assert Run.objects.get().rerun_of is None


def invoke_and_sleep(ctx: Context) -> list[Any]:
    return [
        ctx.step.invoke("ask", function="callee"),
        ctx.step.sleep("nap", timedelta(days=60)),
    ]


def test_a_run_is_kept_while_the_run_that_invoked_it_is_unfinished():
    with (
        registered(lambda ctx: "answer", fn_id="callee", trigger=()),
        registered(invoke_and_sleep),
    ):
        send(Event(name="test/go"))
        drain()
        assert Run.objects.get(fn_id="callee").status == "completed"
        travel(LONG)
        assert retention.delete_ended()["runs"] == 0
        travel(LONG)
        drain()
        travel(LONG)
        assert retention.delete_ended()["runs"] == 2


def wait_for_a_year(ctx: Context) -> Any:
    found = ctx.step.wait_for_event("wait", event="test/come", timeout=timedelta(days=365))
    return found.data if found else None


def test_an_event_that_a_run_waits_for_is_kept_until_it_has_been_there():
    with registered(wait_for_a_year):
        send(Event(name="test/go"))
        drain()
        send(Event(name="test/come", data={"who": "the one"}))
        send(Event(name="test/other"))
        travel(LONG)
        assert retention.delete_ended()["events"] == 1
        drain()
    assert Run.objects.get().output == {"who": "the one"}


def test_a_failed_run_is_forgotten_by_its_last_end():
    failed = run_once(fail, retries=0)
    travel(LONG)
    with registered(fail, retries=0):
        rerun(str(failed.id))
        drain()
    retention.delete_ended()
    assert Run.objects.filter(id=failed.id).exists()


def test_an_event_that_started_nothing_is_forgotten_too():
    send(Event(name="nobody/listens"))
    assert retention.delete_ended()["events"] == 0
    travel(LONG)
    assert retention.delete_ended()["events"] == 1


def test_an_event_that_is_kept_stands_in_no_others_way(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_BATCH": 2}
    with registered(sleep_for_a_year):
        send([Event(name="test/go") for _ in range(5)])
        drain()
    send([Event(name="nobody/listens") for _ in range(5)])
    travel(LONG)
    done = retention.delete_ended()
    assert (done["events"], done["more"]) == (5, False)
    assert EventRow.objects.count() == 5


def test_an_id_is_remembered_for_its_24_hours_even_if_less_is_kept(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": 0.5}
    (first,) = send(Event(name="nobody/listens", id="order-1"))
    travel(timedelta(hours=23))
    retention.delete_ended()
    assert send(Event(name="nobody/listens", id="order-1")) == [first]


def test_small_batches_come_to_the_end_in_rounds(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_BATCH": 2}
    with registered(do_two_things):
        send([Event(name="test/go") for _ in range(5)])
        drain()
    travel(LONG)
    first = retention.delete_ended(batches=2)
    assert (first["runs"], first["events"], first["more"]) == (4, 4, True)
    second = retention.delete_ended(first["after"], batches=2, since=first["since"])
    assert (second["runs"], second["events"], second["more"]) == (1, 1, False)


def test_the_oldest_go_first(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_BATCH": 1}
    old = run_once()
    travel(timedelta(days=1))
    young = run_once()
    travel(LONG)
    retention.delete_ended(batches=1)
    assert list(Run.objects.all()) == [young]
    assert old != young


def test_zero_days_keep_everything_for_ever(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": 0}
    run_once()
    travel(timedelta(days=10_000))
    done = retention.delete_ended()
    assert (done["runs"], done["events"], done["more"]) == (0, 0, False)
    assert Run.objects.count() == 1


@pytest.mark.parametrize("days", [-1, "thirty", True, 1_000_000, float("nan")])
def test_a_number_of_days_that_is_none_is_refused_and_nothing_is_forgotten(settings, days: Any):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": days}
    run_once()
    travel(LONG)
    with pytest.raises(ImproperlyConfigured, match="a number of days from 0"):
        retention.delete_ended()
    assert Run.objects.count() == 1


def test_a_cluster_that_is_silent_for_a_day_is_forgotten():
    make_cluster("dead")
    Cluster.objects.update(seen_at=Now() - timedelta(hours=25))
    make_cluster("alive")
    assert retention.delete_ended()["clusters"] == 1
    assert [cluster.key for cluster in Cluster.objects.all()] == ["alive"]


def retention_is_due() -> None:
    cron.sync()
    CronSchedule.objects.filter(fn_id="jobs-retention").update(next_at=Now())


def test_the_engine_forgets_by_itself_as_a_run_that_operators_see():
    make_event("nobody/listens")
    run_once()
    travel(LONG)
    retention_is_due()
    drain()
    run = Run.objects.get()
    assert (run.fn_id, run.status) == ("jobs-retention", "completed")
    assert run.output == {"runs": 1, "events": 2, "clusters": 0}
    assert [step.name for step in run.steps.all()] == ["forget"]


def test_a_long_history_is_forgotten_in_steps(settings, monkeypatch):
    settings.JOBS = {**settings.JOBS, "RETENTION_BATCH": 1}
    monkeypatch.setattr("jobs.maintenance.retention.delete_ended.__defaults__", ("", 3))
    with registered(do_two_things):
        send([Event(name="test/go") for _ in range(7)])
        drain()
    travel(LONG)
    retention_is_due()
    drain()
    run = Run.objects.get()
    assert [step.name for step in run.steps.all()] == ["forget", "forget:1", "forget:2"]
    assert run.output == {"runs": 7, "events": 7, "clusters": 0}


def test_a_rerun_outlives_the_run_that_it_was_made_from():
    first = run_once()
    with registered(do_two_things):
        again = rerun(str(first.id), from_start=True)
        drain()
    Run.objects.filter(id=first.id).update(ended_at=F("ended_at") - LONG)
    assert retention.delete_ended()["runs"] == 1
    run = Run.objects.get(id=again)
    assert (run.rerun_of, run.status, run.steps.count()) == (None, "completed", 2)


def test_a_rerun_that_was_cancelled_before_its_start_remembers_when_the_first_run_is_forgotten():
    first = Diary()

    def count_the_first(ctx: Context) -> int:
        made = ctx.step.run("first", first.write, "made")
        ctx.step.run("second", len, "two")
        return len(made)

    run = run_once(count_the_first)
    travel(timedelta(days=20))
    with registered(count_the_first):
        again = Run.objects.get(id=rerun(run.id, from_step="second"))
        cancel(again.id)
        travel(timedelta(days=20))
        assert retention.delete_ended()["runs"] == 1
        rerun(again.id)
        drain()
    again.refresh_from_db()
    assert (again.rerun_of, again.status) == (None, "completed"), again.error
    assert first.entries == ["made"]
