"""What steps ask again and again is planned once for a worker's connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from jobs import statements
from jobs.api import Context
from songs.models import Category
from tests.functions import at_once, ran

pytestmark = pytest.mark.django_db(transaction=True)

OFTEN = statements.OFTEN + 1
SHELF = "jobs_tests_shelf"


@pytest.fixture(autouse=True)
def fresh_connection() -> Iterator[None]:
    connection.close()
    yield
    connection.close()


@pytest.fixture
def shelf() -> Iterator[None]:
    """A table that no migration made."""
    change(f"CREATE TABLE {SHELF} (place integer)")
    change(f"INSERT INTO {SHELF} VALUES (7)")
    yield
    change(f"DROP TABLE {SHELF}")


def change(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def prepared(text: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return sum(text in row[0] for row in cursor.fetchall())


def count(name: str) -> int:
    return Category.objects.filter(name=name).count()


def place() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT place FROM {SHELF}")
        return cursor.fetchone()[0]


def counted(ctx: Context) -> int:
    for number in range(OFTEN):
        ctx.step.run(f"count-{number}", count, "Jazz")
    return OFTEN


def test_a_statement_that_steps_ask_often_is_prepared():
    assert ran(counted).output == OFTEN
    assert prepared('FROM "songs_category"') == 1


def test_behind_a_pool_it_is_sent_as_it_is(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    assert ran(counted).output == OFTEN
    assert prepared("songs_category") == 0


def test_a_rollback_inside_a_step_takes_no_statement_of_the_engine_along():
    """psycopg then forgets what it has prepared for the product."""

    def rolls_back() -> None:
        with transaction.atomic():
            Category.objects.create(name="Spoiled", folded="spoiled")
            transaction.set_rollback(True)

    def handler(ctx: Context) -> int:
        counted(ctx)
        assert prepared('FROM "songs_category"') == 1
        ctx.step.run("roll-back", rolls_back)
        return count("Spoiled")

    first, second = ran(handler), ran(handler)
    assert [run.status for run in (first, second)] == ["completed", "completed"]
    assert first.output == second.output == 0
    assert not first.attempts.exists()


def test_a_migration_under_a_running_worker_costs_no_attempt(shelf):
    """A prepared statement may not return another type than before."""

    def handler(ctx: Context) -> list[Any]:
        return [ctx.step.run(f"look-{number}", place) for number in range(OFTEN)]

    assert ran(handler).output == [7] * OFTEN
    assert prepared(f"FROM {SHELF}") == 1
    at_once(lambda: change(f"ALTER TABLE {SHELF} ALTER place TYPE text"))

    run = ran(handler)
    assert (run.status, run.output) == ("completed", ["7"] * OFTEN)
    assert not run.attempts.exists()
