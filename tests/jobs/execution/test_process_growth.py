"""A cluster's processes live for weeks: nothing that a step does is kept by the one that did it."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from jobs.api import Context
from jobs.cluster import shared
from jobs.cluster.django_q_adapter import prepare_sentinel
from jobs.execution.log_capture import LogCapture
from jobs.execution.standard_streams import CapturedStream
from jobs.execution.step_runner import StepRunner
from jobs.execution.unit_of_work import UnitOfWork
from jobs.platform.ipc import process_tree
from jobs.platform.ipc.pipe_queue import LossyQueue
from jobs.platform.postgres import statements
from jobs.platform.postgres.pooled_pipeline import pipeline_of
from jobs.platform.postgres.step_cursor import PREPARED_AFTER
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, registered

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def statement(number: int) -> str:
    """One of a kilobyte, written by hand, with its values in it."""
    return f"SELECT {number}, '{'x' * 1000}'"


def in_a_sentinel(work: Callable[[], bool]) -> bool:
    """What this says in a process that has begun as a cluster's sentinel does."""

    def begin() -> None:
        settings.DEBUG = True
        shared.make(LossyQueue(1), 1)
        prepare_sentinel()
        raise SystemExit(0 if work() else 1)

    connections.close_all()
    process = process_tree.context().Process(target=begin)
    process.start()
    process.join()
    return bool(process.exitcode == 0)


def keeps_none() -> bool:
    for number in range(50):
        with connection.cursor() as cursor:
            cursor.execute(statement(number))
        statements.execute("SELECT %(n)s::int", {"n": number})
    return connection.queries_logged and len(connection.queries_log) == 0


def test_a_cluster_keeps_no_statement_for_the_pages_that_it_has_not():
    assert not in_a_sentinel(lambda: not keeps_none())
    assert in_a_sentinel(keeps_none)


def test_nor_does_a_thread_of_it_or_a_process_that_it_has_forked():
    def in_a_thread() -> bool:
        told: list[bool] = []
        thread = threading.Thread(target=lambda: told.append(keeps_none()))
        thread.start()
        thread.join()
        return told == [True]

    def in_a_worker() -> bool:
        worker = process_tree.context().Process(target=lambda: exit(0 if in_a_thread() else 1))
        worker.start()
        worker.join()
        return bool(worker.exitcode == 0)

    assert in_a_sentinel(in_a_thread)
    assert in_a_sentinel(in_a_worker)


def test_what_a_step_asks_for_is_kept_for_as_long_as_it_asks():
    def asked() -> bool:
        with CaptureQueriesContext(connection) as captured:
            connection.cursor().execute(statement(1))
        return len(captured) == 1 and keeps_none()

    assert in_a_sentinel(asked)


RUNS = 30


def kept() -> dict[str, int]:
    """How much this process holds of what a run or a statement may leave."""
    gc.collect()
    objects, raw = gc.get_objects(), connection.connection
    wire = pipeline_of(raw, prepares=True)
    return {
        "objects": len(objects),
        "runs": sum(
            type(held) in (StepRunner, UnitOfWork, LogCapture, CapturedStream) for held in objects
        ),
        "handlers of records": len(logging.getLogger().handlers),
        "statements of the engine": 0 if wire is None else len(wire._prepared),
        "statements of steps": len(raw._prepared._names),
        "statements to be forgotten": len(raw._prepared._to_flush),
    }


@pytest.mark.parametrize("prepares", [False, True])
def test_a_process_holds_after_many_runs_what_it_has_held_after_a_few(
    prepares, settings, monkeypatch
):
    settings.JOBS = {**settings.JOBS, "PREPARE_STEPS": prepares}
    diary = Diary()

    def query(number: int) -> None:
        print(number, end="")
        with connection.cursor() as cursor:
            cursor.execute(statement(number))
        diary.fail_times(f"once {number}", 1)

    def handler(ctx: Context) -> None:
        ctx.step.run("query", query, ctx.event.data["n"])

    def play(round: int) -> dict[str, int]:
        for number in range(round * RUNS, (round + 1) * RUNS):
            go({"n": number})
        drain()
        travel(timedelta(seconds=2))
        drain()
        diary.entries.clear()
        return kept()

    # A new connection in the midst of this would begin to count statements anew.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    connection.close()
    with registered(handler):
        for round in range(PREPARED_AFTER):  # what each round asks once is prepared by then
            play(round)
        few, many = play(PREPARED_AFTER), play(PREPARED_AFTER + 1)
    # Fewer than half an object for each run is nothing that a run leaves.
    assert many.pop("objects") - few.pop("objects") < RUNS / 2
    assert many == few
