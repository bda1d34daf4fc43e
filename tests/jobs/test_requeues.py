"""An execution that ends without a settlement is counted, spaced and bounded, whatever ended it
(jobs/execution/requeue.py). An outage of the database costs no attempt; what the function's own
code brings about is an attempt like any other, with the author's error."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper

from jobs.api import Context, StepError
from jobs.execution import requeue, unit_of_work
from jobs.execution.executor import execute
from jobs.execution.observer import NullObserver
from jobs.models import LogLine, Run
from jobs.runs.queue import claim_due
from jobs.testing import drain, travel
from songs.models import Category
from tests.functions import go, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)
Body = Callable[[], Any]


@pytest.fixture(autouse=True)
def no_commit_between_two_steps(monkeypatch) -> None:
    """As one would come on a slow machine."""
    monkeypatch.setattr(unit_of_work, "MAX_OPEN", 60.0)


def play(handler: Callable[[Context], Any], **options: Any) -> Run:
    """To its end, with all its retries; drain() itself finds a circle."""
    with registered(handler, **{"retries": 1, "backoff": [1], **options}):
        go()
        for _ in range(4):
            drain(limit=30)
            travel(timedelta(seconds=2))
    return the_run()


def errors(run: Run) -> list[tuple[str, str]]:
    found = run.attempts.filter(status="error")
    return list(found.values_list("step_name", "error_class"))


def create(name: str) -> None:
    Category.objects.create(name=name, folded=f"{name} {Category.objects.count()}")


def sql(statement: str) -> Body:
    def body() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return body


def cut_off() -> None:
    sql("SELECT pg_terminate_backend(pg_backend_pid())")()


# --- what the function's own code brings about ----------------------------------------------------


def replace_the_connection() -> None:
    connection.close()
    connection.connect()


def read_by_a_cursor_of_the_server() -> None:
    list(Category.objects.iterator())


def create_many() -> None:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO songs_category (name, folded) VALUES (%s, 'x')", [("a",)])


def commit_and(go_on: Body) -> Body:
    """psycopg begins the next transaction unasked."""

    def body() -> None:
        sql("COMMIT")()
        go_on()

    return body


LOST = "jobs.errors.TransactionLost"
ENDS = {
    "it closes its connection": (connection.close, LOST),
    "it closes all connections": (connections.close_all, LOST),
    "it closes the socket": (lambda: connection.connection.close(), LOST),
    "it takes another connection": (replace_the_connection, LOST),
    "it commits by hand": (sql("SELECT 1; COMMIT"), LOST),
    "it rolls back by hand": (sql("SELECT 1; ROLLBACK"), LOST),
    "it commits by hand and asks on": (commit_and(sql("SELECT 1")), LOST),
    "it commits by hand and writes on": (commit_and(create_many), LOST),
    "it commits by hand and reads on": (commit_and(read_by_a_cursor_of_the_server), LOST),
    "it is refused a commit": (
        transaction.commit,
        "django.db.transaction.TransactionManagementError",
    ),
}


@pytest.mark.parametrize(("end", "error"), ENDS.values(), ids=ENDS)
def test_a_body_that_ends_its_transaction_errs_and_its_attempts_come_to_an_end(end, error):
    calls: list[int] = []

    def body() -> None:
        create("never")
        calls.append(1)
        end()

    run = play(lambda ctx: ctx.step.run("atomic", body))
    assert (run.status, len(calls)) == ("failed", 2)
    assert errors(run) == [("atomic", error)] * 2
    assert run.steps.get().status == "failed"


def test_what_an_earlier_step_did_goes_and_comes_again_with_the_transaction_that_another_lost():
    calls: list[str] = []

    def loses() -> None:
        calls.append("second")
        if len(calls) < 4:
            connection.close()

    def handler(ctx: Context) -> None:
        ctx.step.run("first", lambda: calls.append("first") or create("first"))
        ctx.step.run("second", loses)

    run = play(handler)
    assert run.status == "completed"
    assert calls == ["first", "second", "first", "second"]
    assert Category.objects.count() == 1
    assert errors(run) == [("second", LOST)]


def test_a_step_that_always_loses_its_transaction_is_a_step_error_that_may_be_caught():
    def handler(ctx: Context) -> str:
        try:
            ctx.step.run("loses", connection.close)
        except StepError as error:
            return ctx.step.run("other way", str, error.name)
        return "went well"

    run = play(handler)
    assert (run.status, run.output) == ("completed", "TransactionLost")


def test_a_body_outside_a_transaction_may_close_its_connection():
    calls: list[int] = []

    def body() -> str:
        calls.append(1)
        connections.close_all()
        return "sent"

    run = play(lambda ctx: ctx.step.run("mail", body, atomic=False))
    assert (run.status, run.output, calls) == ("completed", "sent", [1])


def test_what_an_attempt_has_said_before_it_lost_its_transaction_is_kept():
    def body() -> None:
        print("about to close")
        connection.close()

    run = play(lambda ctx: ctx.step.run("loses", body), retries=0)
    said = run.log_lines.filter(step_name="loses").values_list("message", flat=True)
    assert list(said) == ["about to close"]


def leave_autocommit_off() -> None:
    transaction.set_autocommit(False)
    create("never")


def leave_an_atomic_block_open() -> None:
    transaction.atomic().__enter__()
    create("never")


LEFT_OPEN = {
    "autocommit is off": leave_autocommit_off,
    "an atomic block is open": leave_an_atomic_block_open,
    "a BEGIN without an end": sql("BEGIN"),
}


@pytest.mark.parametrize("leave", LEFT_OPEN.values(), ids=LEFT_OPEN)
@pytest.mark.parametrize("is_step", [True, False], ids=["in a step", "between steps"])
def test_a_transaction_that_is_left_open_is_an_error_and_is_undone(leave, is_step):
    def handler(ctx: Context) -> None:
        if is_step:
            ctx.step.run("leaves", leave, atomic=False)
        else:
            leave()
            ctx.step.run("next", int)

    run = play(handler)
    step = "leaves" if is_step else ""
    assert run.status == "failed"
    assert errors(run) == [(step, "jobs.errors.TransactionLeftOpen")] * 2
    assert Category.objects.count() == 0


@pytest.mark.needs_session("sets the session's timeout")
def test_idling_in_a_transaction_for_too_long_is_an_error_in_the_databases_words():
    def body() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = '50ms'")
            create("never")
            cursor.execute("SELECT pg_stat_clear_snapshot()")
        wait_until_terminated()
        create("never")

    run = play(lambda ctx: ctx.step.run("slow", body), retries=1)
    assert run.status == "failed"
    assert [step for step, _ in errors(run)] == ["slow", "slow"]
    assert "idle-in-transaction timeout" in run.error["message"]


def wait_until_terminated() -> None:
    """Until the server has said good-bye on this connection's socket."""
    import select

    poll = select.poll()
    poll.register(connection.connection.fileno(), select.POLLIN)
    assert poll.poll(10_000)


def test_a_database_error_between_steps_is_said_in_a_sentence():
    def handler(ctx: Context) -> None:
        ctx.step.run("first", create, "first")
        try:
            sql("SELECT 1 / 0")()
        except Exception:
            ctx.step.run("second", create, "second")

    run = play(handler)
    assert run.status == "failed"
    assert "swallowed a database error" in run.error["message"]
    assert len(errors(run)) == 2


SETS_UP = {
    "a table that hides the product's": "CREATE TEMPORARY TABLE songs_category (nothing int)",
    "a time zone": "SET timezone = 'Asia/Tokyo'",
    "a function's time zone": "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
    "a timeout": "SET statement_timeout = '1ms'",
    "a search path": "set search_path to nowhere",
    "a role": "SET ROLE pg_monitor",
    "a prepared statement": "PREPARE mine AS SELECT 1",
    "a lock": "SELECT pg_advisory_lock(4711)",
}


OF_THE_SESSION = """
SELECT current_setting('TimeZone'), current_user = session_user,
       (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
"""


@pytest.mark.needs_session("sets up its session")
@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("statement", SETS_UP.values(), ids=SETS_UP)
def test_a_session_that_code_has_set_up_is_not_the_next_runs(statement, atomic):
    def handler(ctx: Context) -> Any:
        if ctx.event.data["sets"]:
            return ctx.step.run("sets", sql(statement), atomic=atomic)
        ctx.step.run("create", create, "kept")
        return ctx.step.run("look", look)

    def look() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(OF_THE_SESSION)
            return list(cursor.fetchone())

    with registered(handler, retries=0):
        go({"sets": True})
        go({"sets": False})
        drain(limit=20)
    run = the_run()
    assert (run.status, errors(run)) == ("completed", [])
    assert run.output == ["UTC", True, 0, 0]
    assert Category.objects.filter(name="kept").count() == 1


def test_a_connection_that_code_has_only_used_is_the_next_runs():
    def uses() -> None:
        create("one")
        sql("SET LOCAL statement_timeout = '1min'")()
        connection.check_constraints()

    play(lambda ctx: ctx.step.run("uses", uses))
    used = connection.connection
    assert used is not None
    play(lambda ctx: ctx.step.run("uses", uses))
    assert connection.connection is used


# --- what the database brings about ---------------------------------------------------------------


def test_a_connection_that_is_cut_once_costs_no_attempt_and_is_told():
    calls: list[int] = []

    def body() -> None:
        calls.append(1)
        if len(calls) == 1:
            cut_off()
        create("kept")

    run = play(lambda ctx: ctx.step.run("one", body), retries=0)
    assert (run.status, errors(run), len(calls)) == ("completed", [], 2)
    line = LogLine.objects.get(run=run, level="WARNING")
    assert "queued again" in line.message
    assert "terminating connection" in line.message


def test_a_body_whose_connection_is_cut_each_time_comes_to_the_end_of_its_attempts():
    calls: list[int] = []

    def body() -> None:
        calls.append(1)
        cut_off()

    run = play(lambda ctx: ctx.step.run("one", body), retries=1)
    assert (run.status, len(calls)) == ("failed", 3)  # the first one is taken for the database's
    assert [step for step, _ in errors(run)] == ["one", "one"]
    assert "terminating connection" in run.error["message"]


def test_the_count_begins_anew_at_each_remembered_step():
    calls: list[str] = []

    def body(name: str) -> None:
        calls.append(name)
        if calls.count(name) == 1:
            cut_off()

    def handler(ctx: Context) -> None:
        for name in "abc":
            ctx.step.run(name, body, name, atomic=False)

    run = play(handler, retries=0)
    assert (run.status, errors(run)) == ("completed", [])
    assert calls == ["a", "a", "b", "b", "c", "c"]
    assert run.requeue_count == 0


@pytest.fixture
def commits_fail(monkeypatch):
    """Commits of the worker fail by a deadlock, as often as is said."""
    left: list[int] = []
    commit = DatabaseWrapper._commit

    def deadlocked(self: DatabaseWrapper) -> None:
        if left and self.connection.info.transaction_status.name == "INTRANS":
            left.pop()
            with self.wrap_database_errors:
                from psycopg.errors import DeadlockDetected

                raise DeadlockDetected("deadlock detected")
        commit(self)

    monkeypatch.setattr(DatabaseWrapper, "_commit", deadlocked)
    return left


@pytest.mark.needs_session("makes its session read-only")
def test_a_body_that_acted_outside_is_not_called_again_when_its_commit_is_broken_off(monkeypatch):
    """A fail-over in the moment of the commit: the memory is committed on another connection."""
    calls: list[int] = []

    def body() -> str:
        calls.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        return "sent"

    run = play(lambda ctx: ctx.step.run("mail", body, atomic=False), retries=0)
    assert (run.status, run.output, calls) == ("completed", "sent", [1])
    assert errors(run) == []


def test_what_cannot_be_told_is_told_shortly_and_what_cannot_be_told_at_all_waits_aside(
    monkeypatch,
):
    """The error path of the error path."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the report broke")

    with registered(lambda ctx: ctx.step.run("loses", connection.close), retries=0):
        go()
        with monkeypatch.context() as patch:
            patch.setattr(requeue, "record_attempt", broken)
            drain()
    run = the_run()
    assert (run.status, run.reason) == ("queued", "aside")
    assert run.error["message"] == requeue.Unreported.__doc__
    assert run.lease_token is None
    assert run.due_at > run.created_at + timedelta(seconds=20)


class Onlooker(NullObserver):
    """A worker's worker table, as far as it is asked here."""


def test_an_error_of_the_engines_own_code_stays_with_its_run_and_ends_its_worker(monkeypatch):
    """Nothing leaves execute(): the run behind it is executed, in another process."""

    def broken(self: Any, *_: Any, **__: Any) -> None:
        raise RuntimeError("the engine broke")

    def fails_to_settle() -> Onlooker:
        (claimed,) = claim_due(1)
        with monkeypatch.context() as patch:
            patch.setattr("jobs.execution.unit_of_work.UnitOfWork.commit", broken)
            watch = Onlooker()
            assert execute(claimed, watch) is None
        return watch

    with registered(lambda ctx: ctx.step.run("one", int), retries=1, backoff=[1]):
        go()
        assert fails_to_settle().is_spoilt
        run = the_run()
        assert (run.status, run.requeue_count, errors(run)) == ("queued", 1, [])
        assert "the engine broke" in LogLine.objects.get(run_id=run.id).message
        assert fails_to_settle().is_spoilt
        run = the_run()
        assert (run.status, run.reason) == ("waiting", "backoff")
        assert errors(run) == [("", "RuntimeError")]
        travel(timedelta(seconds=2))
        (claimed,) = claim_due(1)
        watch = Onlooker()
        assert execute(claimed, watch) is None
        assert not watch.is_spoilt
    assert the_run().status == "completed"


@contextlib.contextmanager
def put_back_afterwards() -> Iterator[None]:
    kept = json.dumps, sys.getrecursionlimit()
    try:
        yield
    finally:
        json.dumps = kept[0]
        sys.setrecursionlimit(kept[1])


def break_json() -> None:
    json.dumps = lambda *_, **__: 1 / 0


SPOILING = {
    "it breaks JSON": break_json,
    "it lowers the limit of nested calls": lambda: sys.setrecursionlimit(
        sys.getrecursionlimit() - 1
    ),
}


@pytest.mark.parametrize("spoil", SPOILING)
def test_a_run_that_spoils_its_process_is_the_last_one_there_also_if_it_goes_well(spoil):
    """Its own step is remembered; what comes next would fail without a fault of its own."""
    with registered(lambda ctx: ctx.step.run("spoils", lambda: None)):
        go()
        (claimed,) = claim_due(1)
        watch = Onlooker()
        execute(claimed, watch)
        assert not watch.is_spoilt
    with registered(lambda ctx: ctx.step.run("spoils", SPOILING[spoil], atomic=False)):
        go()
        (claimed,) = claim_due(1)
        with put_back_afterwards():
            execute(claimed, watch)
    assert watch.is_spoilt
    assert the_run().steps.filter(name="spoils", status="completed").exists()


# --- between two steps ----------------------------------------------------------------------------

ENDED = "jobs.errors.TransactionEnded"
ENDS_BETWEEN = {
    "it rolls back by hand": sql("SELECT 1; ROLLBACK"),
    "it rolls back past Django": lambda: connection.connection.rollback(),
    "it commits by hand": sql("SELECT 1; COMMIT"),
    "it closes its connection": connection.close,
}


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("end", ENDS_BETWEEN.values(), ids=ENDS_BETWEEN)
def test_a_step_whose_transaction_is_ended_between_steps_is_not_remembered(end, goes_on):
    def between(ctx: Context) -> None:
        ctx.step.run("before", create, "maybe")
        end()
        if goes_on:
            ctx.step.run("after", create, "never")

    run = play(between)
    assert (run.status, errors(run)) == ("failed", [("", ENDED)] * 2)
    assert not run.steps.exists()
    assert not Category.objects.filter(name="never").exists()


def test_an_authors_error_beside_a_closed_connection_is_what_is_recorded():
    def between(ctx: Context) -> None:
        ctx.step.run("before", create, "never")
        connection.close()
        raise KeyError("mine")

    assert errors(play(between)) == [("", "KeyError")] * 2


def open_a_block() -> None:
    transaction.atomic().__enter__()
    create("never")


def test_a_block_that_is_left_open_behind_a_step_is_an_error_and_the_step_is_remembered():
    def between(ctx: Context) -> None:
        ctx.step.run("before", create, "once")
        open_a_block()

    run = play(between)
    assert errors(run) == [("", "jobs.errors.TransactionLeftOpen")] * 2
    assert run.requeue_count == 0
    assert [category.name for category in Category.objects.all()] == ["once"]


def test_a_block_that_an_atomic_body_leaves_open_is_the_error_of_its_step():
    def leaves(ctx: Context) -> None:
        ctx.step.run("before", create, "once")
        ctx.step.run("leaves", open_a_block)

    run = play(leaves)
    assert errors(run) == [("leaves", "jobs.errors.TransactionLeftOpen")] * 2
    assert [category.name for category in Category.objects.all()] == ["once"]


# --- callbacks ------------------------------------------------------------------------------------

LEAVES = {
    "a block": open_a_block,
    "a transaction": sql("BEGIN"),
    "autocommit off": lambda: transaction.set_autocommit(False),
    "a broken connection": cut_off,
}


@pytest.mark.parametrize("leave", LEAVES.values(), ids=LEAVES)
def test_what_a_callback_leaves_open_swallows_nothing_that_comes_after_it(leave):
    def body() -> None:
        transaction.on_commit(leave)
        transaction.on_commit(lambda: create("of the next callback"))

    run = play(lambda ctx: ctx.step.run("last", body))
    assert run.status == "completed"
    assert "on_commit raised an error" in LogLine.objects.get(run_id=run.id).message
    play(lambda ctx: ctx.step.run("of the next run", create, "of the next run"))
    connection.close()
    kept = set(Category.objects.values_list("name", flat=True))
    assert kept == {"of the next callback", "of the next run"}
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}


def test_a_step_that_a_callback_asks_for_is_said_to_be_wrong_and_the_run_goes_on():
    def asks(ctx: Context) -> None:
        ctx.step.run("one", lambda: transaction.on_commit(lambda: ctx.step.run("two", int)))
        ctx.step.run("outside", int, atomic=False)

    run = play(asks)
    assert (run.status, errors(run)) == ("completed", [])
    told = LogLine.objects.get(run_id=run.id).message
    assert "Step “two” was asked for in a callback of transaction.on_commit" in told


def test_what_a_body_has_put_around_each_statement_goes_with_it():
    def refuse(*_: Any) -> None:
        raise RuntimeError("no more statements")

    def wraps() -> None:
        connection.execute_wrappers.append(refuse)

    run = play(lambda ctx: ctx.step.run("wraps", wraps, atomic=False))
    assert (run.status, connection.execute_wrappers) == ("failed", [])


def test_a_process_in_which_nothing_can_be_told_is_left_with_an_error(monkeypatch):
    """Its worker ends, and the death is counted: else the run would come back uncounted."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("everything is broken")

    with registered(lambda ctx: ctx.step.run("loses", connection.close), retries=0):
        go()
        (claimed,) = claim_due(1)
        monkeypatch.setattr(requeue, "_requeue", broken)
        with pytest.raises(requeue.Unreported, match="neither settled nor set aside"):
            execute(claimed)


def test_a_worker_that_reaches_no_database_for_a_whole_lease_ends(monkeypatch, settings):
    """Its own limits may be the reason; in an outage another worker is as good."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OperationalError("too many open files")

    settings.JOBS = {**settings.JOBS, "LEASE": 1}
    with registered(lambda ctx: ctx.step.run("loses", connection.close), retries=0):
        go()
        (claimed,) = claim_due(1)
        monkeypatch.setattr(requeue, "_requeue", unreachable)
        watch = Onlooker()
        assert execute(claimed, watch) is None
    assert watch.is_spoilt


def test_an_outage_that_a_worker_meets_long_after_costs_no_attempt_however_often(monkeypatch):
    """The server began anew while a slow step was at its work, and the lease was renewed since."""
    calls: list[int] = []

    def slow() -> None:
        calls.append(1)
        if len(calls) < 4:
            cut_off()

    with registered(lambda ctx: ctx.step.run("slow", slow), retries=0):
        go()
        while the_run().status != "completed":
            (claimed,) = claim_due(1)
            before = replace(claimed.clock, at=claimed.clock.at - timedelta(days=3650))
            execute(replace(claimed, clock=before))  # the server has begun since
    assert (len(calls), errors(the_run())) == (4, [])
    assert the_run().requeue_count == 0
