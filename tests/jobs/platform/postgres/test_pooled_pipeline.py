"""Behind a pool in transaction mode, each transaction may lead to another session: the engine's
statements are prepared all the same, and a session that lacks one costs a trip, never an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from jobs.api import Context
from jobs.platform.postgres import pooled_pipeline, statements
from jobs.platform.postgres.pipeline import NOTHING
from jobs.platform.postgres.pooled_pipeline import PooledPipelineConnection
from songs.models import Category
from tests.support.functions import ran

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("behind_a_pool"),
    pytest.mark.needs_session("counts what is prepared in its own session"),
    pytest.mark.needs_pipeline("plain cursors prepare nothing"),
]
ONE = "SELECT 1, %(n)s::int"
INSERT = "INSERT INTO songs_category (name, folded) VALUES (%(name)s, %(name)s)"


def one(n: int) -> int:
    ((_, found),) = statements.execute(ONE, {"n": n})
    return int(found)


def insert(name: str) -> None:
    statements.execute(INSERT, {"name": name})


def prepared(like: str = "%") -> int:
    """How many of the engine's statements this session has, without its settings."""
    asked = (
        "SELECT count(*) FROM pg_prepared_statements"
        " WHERE name LIKE 'jobs_%' AND statement NOT LIKE 'SELECT set_config%'"
        f" AND statement LIKE '{like}'"
    )
    return int(connection.connection.execute(asked).fetchone()[0])


def another_session(monkeypatch) -> None:
    """The same one, as it looks to a client of a pool that is led to another."""
    connection.connection.execute("DEALLOCATE ALL")
    number = another_session.number = getattr(another_session, "number", 0) - 1  # type: ignore[attr-defined]
    monkeypatch.setattr(pooled_pipeline, "WHICH_SESSION", str(number))


def trips(act: Callable[[], object], monkeypatch) -> int:
    """How often what is done goes to the server."""
    found: list[int] = []
    make_trip = PooledPipelineConnection._make_trip

    def counted(self: PooledPipelineConnection, *rest: Any, **options: Any) -> Any:
        found.append(1)
        return make_trip(self, *rest, **options)

    with monkeypatch.context() as patched:
        patched.setattr(PooledPipelineConnection, "_make_trip", counted)
        act()
    return len(found)


def test_a_statement_is_prepared_when_it_comes_again():
    assert one(1) == 1
    assert prepared() == 0
    assert [one(n) for n in (2, 3, 4)] == [2, 3, 4]
    assert prepared() == 1


def test_a_session_that_lacks_it_costs_one_more_trip(monkeypatch):
    for n in range(3):
        one(n)
    assert trips(lambda: one(7), monkeypatch) == 1
    another_session(monkeypatch)
    assert trips(lambda: one(7), monkeypatch) == 2
    assert trips(lambda: one(7), monkeypatch) == 1
    assert prepared() == 1


def test_a_trip_that_is_made_again_has_done_nothing_before(monkeypatch):
    for n in range(3):
        insert(f"waltz {n}")
    another_session(monkeypatch)
    with transaction.atomic():
        statements.execute_many((ONE, {"n": 1}), (INSERT, {"name": "polka"}), commits=True)
    another_session(monkeypatch)
    statements.execute_many((INSERT, {"name": "march"}), (INSERT, {"name": "tango"}))
    assert sorted(Category.objects.values_list("name", flat=True)) == [
        "march",
        "polka",
        "tango",
        *(f"waltz {n}" for n in range(3)),
    ]


def test_in_a_transaction_no_statement_is_taken_for_prepared_that_is_not(monkeypatch):
    for n in range(3):
        one(n)
        insert(f"waltz {n}")
    for n in range(3):
        with transaction.atomic():
            statements.begin_step()
            assert one(n) == n
            insert(f"polka {n}")
        another_session(monkeypatch)
    assert Category.objects.count() == 6


def test_in_a_transaction_what_the_session_has_is_used(monkeypatch):
    one(1), one(2), one(3)
    another_session(monkeypatch)
    for n in range(3):
        with transaction.atomic():
            statements.begin_step()
            insert(f"waltz {n}")
    with transaction.atomic():
        assert prepared("INSERT%") == 1
        insert("polka")
    assert Category.objects.count() == 4


def test_where_no_session_keeps_anything_nothing_is_taken_for_granted(monkeypatch):
    monkeypatch.setattr(pooled_pipeline, "MAX_MISSES", 3)
    for n in range(6):
        assert one(n) == n
        with transaction.atomic():
            statements.begin_step()
            insert(f"waltz {n}")
        connection.connection.execute("DEALLOCATE ALL")
    assert Category.objects.count() == 6
    assert trips(lambda: one(7), monkeypatch) == 1
    assert prepared() == 0


def test_a_migrated_table_costs_one_more_trip(monkeypatch):
    every = "SELECT * FROM songs_category"
    with connection.cursor() as cursor:
        for _ in range(3):
            statements.execute(every, NOTHING)
        cursor.execute("ALTER TABLE songs_category ADD COLUMN later int")
        try:
            assert trips(lambda: statements.execute(every, NOTHING), monkeypatch) == 2
        finally:
            cursor.execute("ALTER TABLE songs_category DROP COLUMN later")


def test_an_authors_error_is_the_statements_own(monkeypatch):
    for _ in range(3):
        with pytest.raises(Exception, match="division by zero"):
            statements.execute("SELECT 1 / %(n)s::int", {"n": 0})
    assert one(1) == 1


def test_settings_are_the_transactions_and_not_the_sessions():
    shown = "SELECT current_setting('enable_seqscan'), current_setting('synchronous_commit')"
    before = statements.execute(shown, NOTHING)
    statements.read_by_index()
    statements.disable_synchronous_commit()
    assert statements.execute(shown, NOTHING) == [("off", "off")]
    assert connection.connection.execute(shown).fetchall() == before


def test_a_run_goes_its_way():
    def writes(ctx: Context) -> str:
        ctx.step.run("one", lambda: Category.objects.create(name="a", folded="a").name)
        ctx.step.run("two", lambda: Category.objects.create(name="b", folded="b").name)
        ctx.step.sleep("nap", 0.001)
        return str(ctx.step.run("three", lambda: Category.objects.count()))

    assert [ran(writes).output for _ in range(1)] == ["2"]


def test_a_cluster_keeps_its_connections(monkeypatch):
    there = connection.settings_dict
    for given, kept in ((0, 60), (600, 600), (None, None)):
        monkeypatch.setitem(there, "CONN_MAX_AGE", given)
        statements.keep_connections(60)
        assert there["CONN_MAX_AGE"] == kept
