"""One predicate says whether the database is away, in whatever way (see jobs/outages.py)."""

from __future__ import annotations

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection
from psycopg import errors

from jobs.api import is_unavailable
from jobs.outages import sqlstate_of

AWAY = [
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.ConnectionFailure,
    errors.ReadOnlySqlTransaction,
    errors.OutOfMemory,
    errors.TooManyConnections,
    errors.DiskFull,
    errors.IoError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
]
HERE = [
    errors.IdleInTransactionSessionTimeout,
    errors.QueryCanceled,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.UniqueViolation,
    errors.UndefinedTable,
]


@pytest.mark.parametrize("kind", AWAY)
def test_is_away(kind):
    assert is_unavailable(kind("x"))
    assert is_unavailable(of_django(kind("x")))


@pytest.mark.parametrize("kind", HERE)
def test_is_there_and_says_no(kind):
    assert not is_unavailable(kind("x"))
    assert not is_unavailable(of_django(kind("x")))


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_django_itself_finds_no_connection(kind):
    assert is_unavailable(kind("connection already closed"))


def test_an_error_that_an_author_made_of_an_outage_is_the_authors():
    error = ValueError("no stock")
    error.__cause__ = errors.AdminShutdown("x")
    assert not is_unavailable(error)


@pytest.mark.django_db(transaction=True)
def test_a_reader_is_an_outage_and_says_its_code():
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        with pytest.raises(Exception, match="read-only") as caught:
            cursor.execute("CREATE TABLE nothing ()")
    connection.close()
    assert (is_unavailable(caught.value), sqlstate_of(caught.value)) == (True, "25006")


def of_django(cause: Exception) -> Exception:
    error = OperationalError("x")
    error.__cause__ = cause
    return error
