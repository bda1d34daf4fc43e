"""jobs.api.forget beside reruns, retention and deaths; its bounds, and bad input."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction

from jobs.admin.pauses import skipped as offered
from jobs.api import (
    Context,
    Event,
    InvalidEvent,
    InvalidTransition,
    bulk,
    cancel,
    forget,
    pause,
    replay_skipped,
    rerun,
    send,
    unfinished_runs,
)
from jobs.control import forgetting, scrubbing
from jobs.execution.executor import execute
from jobs.maintenance import retention
from jobs.metrics.paused import with_skipped
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.blocking import others, wait_until_blocked
from tests.support.commit_boundaries import Cluster, a_minute_later, deaths, forget_everything
from tests.support.forgetting import WORD, child, holding, sleeper
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db
PATIENCE = 30  # seconds


# --- who else is at work --------------------------------------------------------------------------


def test_a_forgotten_run_is_not_run_again_in_any_way():
    with registered(child):
        run = go({"word": WORD})
        drain()
        pause("test-function")
        skipped = go({"word": WORD})
        forget([run.event_id, skipped.event_id])
        drain()
        for how in ({"from_start": True}, {"data": {"word": "x"}}, {"from_step": "echo"}):
            with pytest.raises(InvalidTransition, match=r"was forgotten at .* cannot run again"):
                rerun(run.id, **how)
        assert list(replay_skipped("test-function")) == []
        assert offered("test-function").to_replay == 0
        assert with_skipped().get(fn_id="test-function").skipped == 0
        bulk("rerun", fn_id="test-function")
        drain()
    assert Run.objects.filter(fn_id="test-function").count() == 2
    assert the_run("jobs-bulk").output["refused"] == 0


@pytest.mark.parametrize("ends", ["completed", "failed"])
def test_a_run_that_waits_for_a_forgotten_one_does_not_go_on_without_what_that_knew(ends):
    def callee(ctx: Context) -> str:
        return ctx.step.run("echo", lambda: {"completed": ctx.event.data["word"]}[ends])

    def caller(ctx: Context) -> str:
        return ctx.step.invoke("ask", function="callee", data={"word": WORD})

    with registered(caller), registered(callee, fn_id="callee", trigger=[], retries=0):
        run = go()
        (claim,) = claim_due(1)
        execute(claim)
        cancel(run.id)
        drain()
        callee_run = the_run("callee")
        assert callee_run.status == ends
        forget([callee_run.event_id])
        drain()
        with pytest.raises(InvalidTransition, match=r"was forgotten at .* from the start") as told:
            rerun(run.id)
        assert told.value.run_id == str(callee_run.id)
        assert {the_run().status, the_run("callee").status} == {"cancelled", ends}
        rerun(run.id, from_start=True)
        drain()
    again = Run.objects.get(rerun_of=run.id)
    assert (again.status, again.output) == (ends, WORD if ends == "completed" else None)


@pytest.mark.django_db(transaction=True)
def test_a_run_that_another_transaction_has_locked_is_left_to_the_next_round():
    with registered(child):
        run = go({"word": WORD})
        drain()
    asked = [str(run.event_id)]
    with others() as start, transaction.atomic():
        Run.objects.select_for_update().get(id=run.id)
        done = start(lambda: forgetting.round_of(asked)).result(PATIENCE)
    assert (done["runs"], done["events"], done["left"]) == (0, 0, asked)
    done = forgetting.round_of(asked)
    assert (done["runs"], done["events"], done["left"]) == (1, 1, [])


def test_retention_and_forgetting_do_not_mind_each_other(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": 1}
    with registered(child):
        old = go({"word": WORD})
        drain()
        travel(timedelta(days=3))
        young = go({"word": WORD})
        drain()
    forget([old.event_id, young.event_id])
    retention.delete_ended()
    drain()
    assert not Run.objects.filter(id=old.id).exists()
    assert Run.objects.get(id=young.id).forgotten_at is not None
    assert holding() == set()


def test_a_round_is_bounded_and_the_rest_is_another_rounds(monkeypatch):
    monkeypatch.setattr(forgetting, "BATCH", 2)
    monkeypatch.setattr(forgetting, "BATCHES", 2)
    with registered(child):
        sent = send([Event(name="test/go", data={"word": WORD}) for _ in range(7)])
        drain()
    done = forgetting.round_of(sent)
    assert (done["runs"], len(done["left"])) == (4, 3)
    forget(sent)
    drain()
    assert holding() == set()


def test_a_long_list_is_several_runs(monkeypatch):
    monkeypatch.setattr(forgetting, "MAX_ASKED", 2)
    with registered(child):
        sent = send([Event(name="test/go", data={"word": WORD}) for _ in range(5)])
        drain()
    assert len(forget(sent)) == 3
    drain()
    assert holding() == set()


@pytest.mark.parametrize("given", ["not an id", 7, None, ["x"]])
def test_what_is_no_id_is_refused_and_nothing_is_begun(given):
    with pytest.raises(InvalidEvent, match="is not the id of an event"):
        forget([given])
    with pytest.raises(InvalidEvent, match="forget takes a list of ids"):
        forget(str(uuid.uuid4()))
    assert not Run.objects.exists()


def test_nothing_to_forget_begins_nothing():
    assert forget([]) == []
    assert not Run.objects.exists()


def test_unfinished_runs_are_those_of_the_event_and_of_its_reruns():
    with registered(sleeper), registered(child, fn_id="other"):
        run = go({"word": WORD})
        drain()
        cancel(run.id)
        again = rerun(run.id, from_start=True)
        assert unfinished_runs([run.event_id], fn_id="test-function") == [again]
        assert unfinished_runs([run.event_id], fn_id="other") == []


# --- whatever dies --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_whatever_dies_while_words_are_forgotten_they_are_gone_in_the_end(before, monkeypatch):
    monkeypatch.setattr(forgetting, "BATCH", 1)

    def begin() -> None:
        forget_everything()
        sent = send([Event(name="test/go", data={"word": WORD}) for _ in range(2)])
        assert Cluster().work()
        forget(sent)

    with registered(child):
        begin()
        cluster = Cluster()
        assert a_minute_later(cluster)
        assert holding() == set()
        whole = Counter(Run.objects.values_list("fn_id", "status"))
        boundaries = cluster.boundaries(before=before)
        died_at = []
        for dead in deaths(begin, boundaries):
            assert a_minute_later(Cluster())
            assert holding() == set()
            assert Counter(Run.objects.values_list("fn_id", "status")) == whole
            died_at.append(dead.commits[-1])
    assert died_at.count("forgetting.round_of") == 4


TELL = """
INSERT INTO jobs_event (id, name, dedupe_id, ts, data)
SELECT gen_random_uuid(), 'jobs/function.failed', '', now(),
       jsonb_build_object('run_id', gen_random_uuid())
  FROM generate_series(1, 1000)
"""


def test_the_search_for_what_came_of_an_event_reads_by_indexes_alone():
    with connection.cursor() as cursor:
        cursor.execute(TELL)
        cursor.execute("ANALYZE jobs_event")  # else the plan is another test's
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {forgetting.REMEMBERED_RUNS}", {"roots": [uuid.uuid4()]})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "jobs_event_told" in plan
    assert "Seq Scan" not in plan


# --- while an invoker is retried ------------------------------------------------------------------


@contextmanager
def looks_before_it_locks(monkeypatch) -> Iterator[None]:
    """What forgetting sees is as old as the block: its locks are taken behind it."""
    waits = "AND (SELECT pg_advisory_xact_lock(4711)) IS NOT NULL\n ORDER BY r.id FOR UPDATE"
    slow = scrubbing.LOCK.replace("ORDER BY r.id FOR UPDATE", waits)
    assert slow != scrubbing.LOCK
    monkeypatch.setattr(scrubbing, "LOCK", slow)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(4711)")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(4711)")


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_invoker_is_retried_at_this_moment_is_not_forgotten(monkeypatch):
    def caller(ctx: Context) -> str:
        return ctx.step.invoke("ask", function="callee", data={"word": WORD})

    with registered(caller), registered(child, fn_id="callee", trigger=[]):
        run = go()
        (claim,) = claim_due(1)
        execute(claim)
        cancel(run.id)
        drain()
        asked = [str(the_run("callee").event_id)]
        with others() as start:
            with looks_before_it_locks(monkeypatch):
                done = start(lambda: forgetting.round_of(asked))
                wait_until_blocked(1)
                rerun(run.id)
            assert (done.result(PATIENCE)["runs"], done.result()["left"]) == (0, asked)
        drain()
        assert the_run().output == [WORD]
        assert forgetting.round_of(asked)["runs"] == 1
