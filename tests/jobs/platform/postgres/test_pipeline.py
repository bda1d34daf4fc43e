"""Statements go to the server by the shortest way, and nothing is left half-said on it."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError, OperationalError, ProgrammingError, connection, transaction

from jobs.events import insertion
from jobs.models import RegisteredFunction, Run
from jobs.platform.postgres import statements
from tests.support.blocking import Alarm, Uncommitted, others, wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)

ADD = """
INSERT INTO jobs_registeredfunction (fn_id, name, config, stands_still)
VALUES (%(id)s, 'x', '{}', false)
"""
LOCK = "SELECT pg_advisory_xact_lock(4712)"
TRIPS = "SELECT %(number)s::int, '100%%', %(number)s::int + 1"


def added() -> set[str]:
    return set(RegisteredFunction.objects.filter(name="x").values_list("fn_id", flat=True))


def is_in_transaction() -> bool:
    return connection.connection.info.transaction_status.name != "IDLE"


def test_values_keep_their_types_there_and_back():
    asked = """SELECT %(text)s::text, %(number)s::int, %(part)s::float8, %(nothing)s::text,
                      %(many)s::text[], '{"a": [1]}'::jsonb, true, timestamptz 'epoch'"""
    values = {"text": "ä%s\n", "number": 7, "part": 0.5, "nothing": None, "many": ["a", 'b"']}
    (row,) = statements.execute(asked, values)
    assert row[:7] == ("ä%s\n", 7, 0.5, None, ["a", 'b"'], '{"a": [1]}', True)
    assert row[7].isoformat() == "1970-01-01T00:00:00+00:00"


def test_a_name_may_stand_more_than_once_and_a_percent_sign_is_doubled():
    assert statements.execute(TRIPS, {"number": 1}) == [(1, "100%", 2)]


@pytest.mark.needs_pipeline("plain cursors leave the COMMIT to Django")
def test_the_last_trip_of_a_transaction_may_end_it():
    with transaction.atomic():
        statements.execute_many((ADD, {"id": "first"}))
        assert is_in_transaction()
        statements.execute_many((ADD, {"id": "last"}), commits=True)
        assert not is_in_transaction()
    assert added() == {"first", "last"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda text, values: statements.execute(text, values),
        lambda text, values: statements.execute_nowait(text, values),
        lambda text, values: statements.execute_many((text, values), ("SELECT 1::int", {})),
    ],
    ids=["execute", "execute_nowait", "execute_many"],
)
def test_a_commit_that_the_server_refuses_is_an_error(ask):
    run = insertion.NewRun(fn_id="f", event_id=uuid.uuid4(), turn_keys=[], turn_limits=[])
    with pytest.raises(IntegrityError, match="is not present in table"):
        ask(*insertion.insert_runs_statement([run]))
    assert not Run.objects.filter(id=run.id).exists()
    assert statements.execute("SELECT 1::int", {}) == [(1,)]


def test_a_transaction_that_errs_in_its_last_trip_leaves_nothing():
    one_twice = [(ADD, {"id": "one"}), (ADD, {"id": "two"}), (ADD, {"id": "one"})]
    with pytest.raises(IntegrityError), transaction.atomic():
        statements.execute_many(*one_twice, commits=True)
    assert added() == set()
    assert not is_in_transaction()


def test_a_statement_that_an_error_skipped_is_no_prepared_one():
    unseen = "SELECT %(number)s::int, 'nobody has asked this before'"
    with pytest.raises(ProgrammingError):
        statements.execute_many(("SELECT * FROM jobs_nowhere", {}), (unseen, {"number": 1}))
    for number in (1, 2):
        assert statements.execute(unseen, {"number": number})[0][0] == number


@pytest.mark.needs_pipeline("plain cursors prepare nothing")
def test_when_the_server_has_forgotten_what_was_prepared_the_next_connection_prepares_anew():
    statements.execute(TRIPS, {"number": 1})
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    with pytest.raises(ProgrammingError, match="does not exist"):
        statements.execute(TRIPS, {"number": 1})
    connection.close()
    assert statements.execute(TRIPS, {"number": 1}) == [(1, "100%", 2)]


def test_an_exception_out_of_a_signal_leaves_no_connection_in_mid_conversation(alarm):
    """As django-q2's timeout does, which may find a worker waiting for a lock."""

    def when_it_waits() -> None:
        wait_until_blocked(1)
        alarm()

    with others() as start, Uncommitted(lambda: statements.execute(LOCK, {})):
        start(when_it_waits)
        with pytest.raises(Alarm):
            statements.execute(LOCK, {})
    assert connection.connection.closed
    connection.close()
    assert statements.execute(TRIPS, {"number": 1}) == [(1, "100%", 2)]


@pytest.mark.parametrize("ask", [statements.execute, statements.execute_nowait])
def test_a_lost_connection_is_djangos_operational_error(ask):
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    with others() as start:
        start(lambda: statements.execute("SELECT pg_terminate_backend(%(pid)s)", {"pid": pid}))
    with pytest.raises(OperationalError):
        ask(TRIPS, {"number": 1})
    assert connection.connection.closed
    connection.close()
    assert ask(TRIPS, {"number": 1}) == [(1, "100%", 2)]


def test_what_is_told_during_a_trip_is_heard_by_the_connection_that_listens():
    with connection.cursor() as cursor:
        cursor.execute("LISTEN told_on_the_way")
    with others() as start:
        start(lambda: statements.execute("SELECT pg_notify('told_on_the_way', 'a')", {}))
    statements.execute(TRIPS, {"number": 1})
    assert [told.payload for told in connection.connection.notifies(timeout=0)] == ["a"]


def test_a_large_batch_goes_through_although_the_server_answers_meanwhile():
    echo = "SELECT %(text)s::text"
    text = "x" * 3_000_000
    answers = statements.execute_many(*((echo, {"text": text}) for _ in range(4)))
    assert [len(rows[0][0]) for rows in answers] == [3_000_000] * 4


def test_a_statement_that_waits_for_no_lock_is_asked_at_once_and_says_the_same():
    for _ in range(2):  # prepared, and as a prepared one
        assert statements.execute_nowait(TRIPS, {"number": 1}) == [(1, "100%", 2)]
    assert statements.execute(TRIPS, {"number": 2}) == [(2, "100%", 3)]


def test_what_is_asked_at_once_belongs_to_the_transaction():
    with transaction.atomic():
        statements.execute_nowait(ADD, {"id": "undone"})
        transaction.set_rollback(True)
    with transaction.atomic():
        statements.begin_step()
        statements.execute_nowait("SAVEPOINT here")
        assert is_in_transaction()
        statements.execute_nowait(ADD, {"id": "kept"})
        statements.execute_nowait("RELEASE SAVEPOINT here; SAVEPOINT there")
        statements.execute_nowait(ADD, {"id": "gone"})
        statements.execute_nowait("ROLLBACK TO SAVEPOINT there")
    assert added() == {"kept"}


def test_an_error_at_once_is_djangos_and_the_next_one_is_answered():
    statements.execute_nowait(ADD, {"id": "twice"})
    with pytest.raises(IntegrityError):
        statements.execute_nowait(ADD, {"id": "twice"})
    with pytest.raises(ProgrammingError):
        statements.execute_nowait("SELECT * FROM jobs_nowhere", {})
    assert statements.execute_nowait(TRIPS, {"number": 1}) == [(1, "100%", 2)]
