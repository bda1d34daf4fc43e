"""A body, or the code between two steps, ends the transaction that it is in, or leaves one open:
that is an attempt like any other, with an error that says so."""

from __future__ import annotations

import pytest
from django.db import connection, connections, transaction

from jobs.api import Context, StepError
from jobs.models import LogLine, Run
from songs.models import Category
from tests.support.interruptions import Body, create, cut_off, errors, play, sql

pytestmark = pytest.mark.django_db(transaction=True)


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


@pytest.mark.needs_pipeline("by plain cursors what psycopg opens is not counted")
def test_so_does_one_whose_transaction_psycopg_was_to_open():
    """By what is no statement of a cursor's."""

    def body() -> None:
        with connection.connection.transaction():
            create("never")
        connection.connection.commit()

    run = play(lambda ctx: ctx.step.run("atomic", body))
    assert run.status == "failed"
    assert errors(run) == [("atomic", LOST)] * 2


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
