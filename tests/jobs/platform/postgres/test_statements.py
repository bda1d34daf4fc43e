"""The engine's statements are planned once for a connection, and may travel together."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from jobs.models import RegisteredFunction
from jobs.platform.postgres import statements
from tests.support.blocking import others, wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)

ADD = """
INSERT INTO jobs_registeredfunction (fn_id, name, config, stands_still)
VALUES (%(id)s, 'x', '{}', false)
"""
COUNT = "SELECT count(*) FROM jobs_registeredfunction WHERE fn_id LIKE %(like)s"
LOCK = "SELECT pg_advisory_xact_lock(4711)"


@pytest.fixture
def behind_a_pool(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    connection.close()
    yield
    connection.close()


def prepared(text: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return sum(text in row[0] for row in cursor.fetchall())


@pytest.mark.needs_session("nothing is prepared behind a pool")
@pytest.mark.needs_pipeline("plain cursors prepare nothing")
def test_a_statement_is_prepared_once_whatever_its_values():
    for like in ("a%", "b%", "c%"):
        assert statements.execute(COUNT, {"like": like}) == [(0,)]
    assert prepared("FROM jobs_registeredfunction WHERE fn_id LIKE") == 1


@pytest.mark.needs_session("counts what is prepared in its own session")
def test_behind_a_pool_it_is_sent_as_it_is(behind_a_pool):
    connection.ensure_connection()
    assert statements.execute(COUNT, {"like": "a%"}) == [(0,)]
    assert prepared("jobs_registeredfunction") == 0


def test_errors_are_djangos():
    statements.execute(ADD, {"id": "twice"})
    with pytest.raises(IntegrityError):
        statements.execute(ADD, {"id": "twice"})


def test_what_travels_together_is_one_transaction():
    with pytest.raises(IntegrityError):
        statements.execute_many((ADD, {"id": "one"}), (ADD, {"id": "two"}), (ADD, {"id": "one"}))
    assert not RegisteredFunction.objects.filter(fn_id__in=["one", "two"]).exists()
    statements.execute_many((ADD, {"id": "one"}), (ADD, {"id": "two"}))
    assert RegisteredFunction.objects.filter(fn_id__in=["one", "two"]).count() == 2


def test_each_statement_sees_what_was_committed_when_its_turn_came():
    """What comes behind a lock sees all that its last holder has committed."""
    with others() as start:
        with transaction.atomic():
            statements.execute(LOCK, {})
            found = start(
                lambda: statements.execute_many((LOCK, {}), (COUNT, {"like": "late%"}))[1]
            )
            wait_until_blocked(1)
            statements.execute(ADD, {"id": "late"})
        assert found.result() == [(1,)]


def scans() -> set[str]:
    """What else than to follow an index this connection may do, to read a table."""
    with connection.cursor() as cursor:
        cursor.execute("""SELECT name FROM pg_settings WHERE setting = 'on'
                          AND name IN ('enable_seqscan', 'enable_bitmapscan')""")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.needs_session("what a connection is told is kept nowhere behind a pool")
def test_a_connection_may_be_told_to_read_by_index_as_long_as_it_lives():
    connection.close()
    assert scans() == {"enable_seqscan", "enable_bitmapscan"}
    statements.read_by_index()
    assert scans() == set()
    connection.close()
    statements.read_by_index()
    assert scans() == set()
    connection.close()


def test_a_transaction_that_was_open_before_reads_on_as_it_did():
    with transaction.atomic():
        with statements.reading_by_index():
            assert scans() == set()
            with statements.reading_by_index():
                pass
            assert scans() == set()
        assert scans() == {"enable_seqscan", "enable_bitmapscan"}
        with statements.reading_by_index():
            transaction.set_rollback(True)
        assert scans() == {"enable_seqscan", "enable_bitmapscan"}


def test_behind_a_pool_it_reads_as_the_product_does(behind_a_pool):
    statements.read_by_index()
    assert scans() == {"enable_seqscan", "enable_bitmapscan"}
