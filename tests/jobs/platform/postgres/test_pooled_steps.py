"""Behind a pool in transaction mode steps' statements are prepared in the sessions that the
connection knows, by names that all clients of a session understand."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from jobs.api import Context
from jobs.platform.postgres import pooled_pipeline, psycopg_internals, step_statements
from jobs.platform.postgres.pooled_pipeline import name_of
from jobs.platform.postgres.step_cursor import BY_THE_ORM
from songs.models import Category
from tests.support.blocking import Alarm, Uncommitted, others, wait_until_blocked
from tests.support.functions import ran

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("behind_a_pool"),
    pytest.mark.needs_session("counts what is prepared in its own session"),
    pytest.mark.needs_pipeline("plain cursors prepare nothing"),
]
OFTEN = step_statements.PREPARED_AFTER + 1


def count(name: str) -> int:
    return Category.objects.filter(name=name).count()


def counted(ctx: Context) -> int:
    return sum(ctx.step.run(f"count-{number}", count, "Jazz") for number in range(OFTEN))


def play(runs: int) -> None:
    """Each ends with the right answer, and costs no attempt."""
    for _ in range(runs):
        run = ran(counted)
        assert (run.status, run.output) == ("completed", OFTEN)
        assert not run.attempts.exists()


def ask(query: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.connection.execute(query).fetchall()
    return rows


def prepared() -> dict[str, str]:
    """The product's statements in this session: name → text."""
    found = ask("SELECT name, statement FROM pg_prepared_statements")
    return {name: text for name, text in found if "songs_category" in text}


def use_session(number: int, monkeypatch) -> None:
    """The same one, as it looks to a client of a pool that is led to another."""
    ask("SELECT 1")
    connection.connection.rollback()
    connection.connection.execute("DEALLOCATE ALL")
    monkeypatch.setattr(pooled_pipeline, "WHICH_SESSION", str(number))


@pytest.fixture
def jazz() -> Category:
    return Category.objects.create(name="Jazz", folded="jazz")


def test_a_statement_has_the_same_name_for_every_client(jazz):
    play(4)
    ((name, text),) = prepared().items()
    assert "FROM" in text
    assert name.startswith("jobs_")
    connection.close()
    play(4)
    assert [*prepared()] == [name]


def test_in_a_session_that_lacks_it_a_statement_is_prepared_anew(jazz, monkeypatch):
    play(4)
    for number in (-1, -2, -3):
        use_session(number, monkeypatch)
        assert prepared() == {}
        play(2)
        assert len(prepared()) == 1


def test_what_another_client_has_prepared_by_that_name_is_in_no_ones_way(jazz, monkeypatch):
    play(4)
    ((name, text),) = prepared().items()
    use_session(-1, monkeypatch)
    connection.connection.execute(f"PREPARE {name} (text) AS {text}")
    play(2)


def test_a_session_that_forgot_it_costs_no_attempt(jazz):
    """By a pool's `server_reset_query_always`, or by DISCARD ALL of another client."""

    def forgetful(ctx: Context) -> int:
        ctx.step.run("forget", lambda: connection.connection.execute("DEALLOCATE ALL").rowcount)
        return counted(ctx)

    play(4)
    assert prepared()
    run = ran(forgetful)
    assert (run.status, run.output) == ("completed", OFTEN)
    assert not run.attempts.exists()


def test_a_statement_with_an_error_gives_it_and_is_asked_again(jazz):
    def wrong() -> str:
        found: list[str] = []
        for _ in range(OFTEN):
            try:
                with transaction.atomic():
                    Category.objects.extra(where=['"absent" = %s'], params=["a"]).first()
            except DatabaseError as error:
                found.append(str(error).splitlines()[0])
        return " ".join(sorted(set(found))) + f" {count('Jazz')}"

    play(4)
    run = ran(lambda ctx: ctx.step.run("wrong", wrong))
    assert run.output == 'column "absent" does not exist 1'
    assert not run.attempts.exists()


def test_a_transaction_that_code_begins_by_hand_is_asked_nothing_prepared(jazz, monkeypatch):
    """It may be in another session."""
    found: list[int | str] = []

    def by_hand() -> None:
        connection.connection.commit()
        use_session(-1, monkeypatch)
        found.append("asks")
        found.append(count("Jazz"))

    play(4)
    ran(lambda ctx: ctx.step.run("by-hand", by_hand), retries=0)
    assert found == ["asks", 1]


def test_a_connection_prepares_no_more_than_its_share(jazz, monkeypatch):
    monkeypatch.setattr(step_statements, "MAX_PREPARED", 2)
    fields = ("name", "folded", "name__gt", "folded__gt")

    def by_each() -> int:
        for field in fields:
            for _ in range(OFTEN):
                Category.objects.filter(**{field: "Jazz"}).exists()
        return len(fields)

    play(4)
    assert ran(lambda ctx: ctx.step.run("by-each", by_each)).output == len(fields)
    texts = [text for (text,) in ask("SELECT statement FROM pg_prepared_statements")]
    assert len([text for text in texts if BY_THE_ORM.match(text)]) == 2


def test_texts_that_never_come_again_are_not_counted_for_ever(jazz, monkeypatch):
    monkeypatch.setattr(step_statements, "MAX_COUNTED", 3)
    ours = step_statements.StepStatements(None)  # type: ignore[arg-type]
    for number in range(50):
        assert not ours.execute(connection.cursor(), f"SELECT {number}", [1])
    assert len(ours._counts) == 3
    assert name_of((b"SELECT 1", ())) != name_of((b"SELECT 1", (23,)))


# --- what may change under a connection -----------------------------------------------------------


def play_once(runs: int = 1) -> None:
    """Each body is called once, and no execution is interrupted."""
    for _ in range(runs):
        calls.clear()
        run = ran(noted)
        assert (run.status, run.output) == ("completed", OFTEN)
        assert len(calls) == OFTEN
        assert not run.log_lines.exists()


calls: list[str] = []


def noted(ctx: Context) -> int:
    def body(name: str) -> int:
        calls.append(name)
        return count(name)

    return sum(ctx.step.run(f"count-{number}", body, "Jazz") for number in range(OFTEN))


def test_a_session_that_another_client_has_reset_costs_nothing(jazz):
    """By DISCARD ALL. So it is with a new session that has an old one's number."""
    play_once(4)
    for _ in range(3):
        assert prepared()
        connection.connection.rollback()
        connection.connection.execute("DISCARD ALL")
        play_once()


def test_a_transaction_that_psycopg_opens_is_asked_nothing_prepared(jazz, monkeypatch):
    """It may be in another session than the last one that the engine opened."""
    called: list[str] = []

    def opens() -> int:
        called.append("once")
        connection.connection.execute("DEALLOCATE ALL")
        with connection.connection.transaction():
            first = count("Jazz")
        with transaction.atomic(), connection.connection.transaction():
            return first + count("Jazz")

    def handler(ctx: Context) -> list[int]:
        return [ctx.step.run("count", count, "Jazz"), ctx.step.run("open", opens, atomic=False)]

    play(4)
    run = ran(handler, retries=0)
    assert (run.output, called) == ([1, 2], ["once"])


def test_a_preparation_that_waits_for_a_lock_is_broken_off_by_the_workers_timeout(jazz, alarm):
    """A migration holds the table."""
    play(4)
    connection.connection.pgconn.exec_(b"DISCARD ALL")  # as in a new session
    broken_off: list[type[BaseException]] = []

    def lock() -> None:
        with connection.cursor() as cursor:
            cursor.execute("LOCK songs_category")

    def when_it_waits() -> None:
        wait_until_blocked(1)
        alarm()

    def asks() -> None:
        with others() as start, Uncommitted(lock):
            start(when_it_waits)
            try:
                count("Jazz")
            except BaseException as error:
                broken_off.append(type(error))
                raise

    ran(lambda ctx: ctx.step.run("asks", asks), retries=0)
    assert broken_off == [Alarm]
    connection.close()
    play(1)


def test_with_a_psycopg_whose_cursors_take_no_answer_steps_go_by_its_own_and_the_log_says_so(
    jazz, monkeypatch, caplog
):
    def cannot(*_: Any) -> None:
        raise psycopg_internals.Unfit("gives a cursor its answer in another way")

    monkeypatch.setattr(step_statements, "_found", None)
    monkeypatch.setattr(psycopg_internals, "give_answer", cannot)
    play(1)
    assert "Steps' statements go by psycopg's own cursors. psycopg" in caplog.text
    connection.close()
    play(4)
    assert prepared() == {}
