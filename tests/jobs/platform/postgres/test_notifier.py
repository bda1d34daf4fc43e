"""The clusters are told that a run may be due after the commit, by one word for many: no
transaction that writes something takes PostgreSQL's one lock of NOTIFY."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings as project
from django.db import connection, transaction

from jobs.api import Concurrency, Context, Event, cancel, pause, rerun, resume, send
from jobs.cluster.worker_table import WorkerTable
from jobs.models import Run
from jobs.platform.postgres import notifier
from jobs.runs import lease
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from tests.support.database import cluster_environment, database_url
from tests.support.functions import go, registered

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("listens on its own session"),
]


@pytest.fixture(autouse=True)
def every_word(monkeypatch) -> None:
    """However soon it comes after another one."""
    monkeypatch.setattr(notifier, "_notified", {})
    monkeypatch.setattr(notifier, "GAP", 0.0)


@pytest.fixture(autouse=True)
def function() -> Iterator[None]:
    with registered(lambda ctx: None):
        yield


class Ear:
    """A session that listens as clusters do."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw
        raw.execute("LISTEN jobs")

    def heard(self) -> list[str]:
        """What was told since the last time: PostgreSQL delivers it before it answers."""
        self._raw.execute("SELECT 1")
        return [word.payload for word in self._raw.notifies(timeout=0)]


@pytest.fixture
def ear() -> Iterator[Ear]:
    with psycopg.connect(database_url(), autocommit=True) as raw:
        yield Ear(raw)


def sends(count: int = 1) -> None:
    for n in range(count):
        send(Event(name="test/go", data={"n": n}))


def notifies(act: Callable[[], object]) -> list[bool]:
    """For each NOTIFY of what is done, whether it was in a transaction with anything else."""
    found: list[bool] = []

    def look(execute: Any, sql: str, *rest: Any) -> Any:
        if "notify" in sql.lower():
            found.append(connection.in_atomic_block)
        return execute(sql, *rest)

    with connection.execute_wrapper(look):
        act()
    return found


def test_a_run_that_a_worker_gives_back_is_told_to_the_clusters(ear):
    sends()
    (claimed,) = claim_due(10)
    ear.heard()
    assert lease.give_back(claimed.run_id, claimed.token)
    assert ear.heard() == [notifier.RUN_DUE]
    assert not lease.give_back(claimed.run_id, claimed.token)
    assert ear.heard() == []


def test_what_is_sent_is_told_after_its_commit(ear: Ear):
    with transaction.atomic():
        assert notifies(sends) == []
    assert ear.heard() == ["run"]
    assert Run.objects.count() == 1


def sends_and_fails() -> None:
    with transaction.atomic():
        sends()
        raise ZeroDivisionError


def test_nothing_is_told_of_what_was_rolled_back(ear: Ear):
    with pytest.raises(ZeroDivisionError):
        sends_and_fails()
    with transaction.atomic(), pytest.raises(ZeroDivisionError):
        sends_and_fails()
    assert ear.heard() == []


def test_what_is_sent_beside_a_savepoint_that_was_rolled_back_is_told(ear: Ear):
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError):
            sends_and_fails()
        sends()
    assert ear.heard() == ["run"]


def test_a_process_that_has_just_told_tells_nothing(ear: Ear, monkeypatch):
    monkeypatch.setattr(notifier, "GAP", 3600.0)
    sends(20)
    assert ear.heard() == ["run"]
    assert Run.objects.count() == 20


def test_a_word_that_could_not_be_told_costs_the_sender_nothing_and_the_next_is_told(
    ear: Ear, monkeypatch, caplog
):
    monkeypatch.setattr(notifier, "GAP", 3600.0)
    with monkeypatch.context() as broken, caplog.at_level("INFO"):
        broken.setattr(notifier, "NOTIFY", "SELECT 1 / 0, %(channel)s, %(what)s")
        sends()
    assert ear.heard() == []
    assert "could not be told" in caplog.text
    sends()
    assert ear.heard() == ["run"]
    assert Run.objects.count() == 2


def test_no_transaction_of_a_run_or_an_operator_notifies():
    """Turns, invoked runs, hooks, failures, cancellations, reruns: all that makes runs due."""

    def calls(ctx: Context) -> None:
        ctx.step.invoke("child", function="child")
        ctx.step.run("tell", sends)

    def fails(ctx: Context) -> None:
        raise ZeroDivisionError

    def all_of_it() -> None:
        first, second = go(), go()
        cancel(second.id)
        drain()
        rerun(first.id, from_start=True)
        pause("test-function")
        resume("test-function")
        drain()

    line = [Concurrency(limit=1)]
    options: dict[str, Any] = {"retries": 0, "on_failure": lambda ctx: None}
    with (
        registered(fails, fn_id="child", trigger=[], **options),
        registered(calls, fn_id="calls", concurrency=line, on_cancel=lambda ctx: None),
    ):
        told = notifies(all_of_it)
    assert told
    assert not any(told)
    assert Run.objects.filter(fn_id="child", status="failed").exists()


def test_a_script_that_sends_and_ends_has_told(ear: Ear):
    script = (
        "from jobs.api import Event, send\n"
        "send(Event(name='test/listen'))\n"
        "import os; os._exit(0)  # nothing is left for the end of the process"
    )
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", script],
        cwd=project.BASE_DIR,
        env=cluster_environment("tests.telling.settings", workers=1),
        check=True,
        timeout=60,
    )
    assert ear.heard() == ["run"]
    assert Run.objects.get().fn_id == "listens"


def test_a_forked_process_tells_like_its_parent(ear: Ear):
    sends()
    connection.close()
    child = os.fork()
    if not child:
        sends()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert ear.heard() == ["run", "run"]


# --- within a cluster -----------------------------------------------------------------------------


@pytest.fixture
def worker_table() -> Iterator[WorkerTable]:
    worker_table = WorkerTable()
    notifier.belong_to(worker_table)
    yield worker_table
    notifier.belong_to(None)


def test_a_process_of_a_cluster_rings_its_wakeup_after_the_commit(
    worker_table: WorkerTable, ear: Ear
):
    with transaction.atomic():
        sends()
        assert not worker_table.runs.consume()
    assert worker_table.runs.consume()
    assert not worker_table.requests.consume()
    assert ear.heard() == []


def test_what_may_be_a_request_rings_the_gateways_wakeup_too(worker_table: WorkerTable):
    notifier.tell_clusters()
    assert worker_table.runs.consume()
    assert worker_table.requests.consume()


def test_in_a_cluster_that_is_stopping_nothing_hears_the_wakeup_and_the_others_are_told(
    worker_table: WorkerTable, ear: Ear
):
    worker_table.stop()
    sends()
    assert ear.heard() == ["run"]


def test_a_run_that_passes_its_turn_on_rings_the_wakeup(worker_table: WorkerTable):
    with registered(lambda ctx: None, fn_id="lined", concurrency=[Concurrency(limit=1)]):
        sends(2)
        worker_table.runs.consume()
        drain()
    assert worker_table.runs.consume()


def test_a_run_that_was_invoked_rings_the_wakeup_when_it_ends(worker_table: WorkerTable):
    def calls(ctx: Context) -> None:
        ctx.step.invoke("child", function="child")

    def last(ctx: Context) -> None:
        worker_table.runs.consume()

    with registered(last, fn_id="child", trigger=[]), registered(calls, fn_id="calls"):
        sends()
        drain()
    assert worker_table.runs.consume()
