"""One predicate says whether the database is away, in whatever way (see
jobs/platform/postgres/outages.py)."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError
from psycopg import errors

from jobs.api import is_unavailable, why_unavailable
from jobs.models import Cluster
from jobs.platform.postgres.outages import sqlstate_of

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
    errors.ConfigurationLimitExceeded,
    errors.PipelineAborted,
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


@pytest.mark.needs_session("makes its session read-only")
@pytest.mark.django_db(transaction=True)
def test_a_reader_is_an_outage_and_says_its_code():
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        with pytest.raises(Exception, match="read-only") as caught:
            cursor.execute("CREATE TABLE nothing ()")
    connection.close()
    assert (is_unavailable(caught.value), sqlstate_of(caught.value)) == (True, "25006")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_reader", [True, False])
def test_what_follows_in_the_same_transaction_is_of_the_kind_of_the_first_error(is_reader):
    Cluster.objects.create(key="one")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL transaction_read_only = {is_reader}")
        with contextlib.suppress(DatabaseError):
            Cluster(key="one").save(force_insert=True)
        with pytest.raises(TransactionManagementError) as caught:
            Cluster.objects.count()
    assert is_unavailable(caught.value) is is_reader


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.ReadOnlySqlTransaction("x"), "is read-only"),
        (errors.DiskFull("x"), "has no disk space left"),
        (errors.CannotConnectNow("x"), "is starting or stopping"),
        (errors.QueryCanceled("x"), "takes too long to answer"),
        (errors.ConnectionFailure("x"), "does not answer"),
        (errors.UniqueViolation("x"), "answers an error"),
        (psycopg.OperationalError("FATAL:  the database system is starting up"), "is starting"),
        (psycopg.OperationalError("FATAL:  sorry, too many clients already"), "has no connection"),
        (psycopg.OperationalError("… failed: Connection refused"), "refuses connections"),
        (psycopg.OperationalError("… failed: No such file or directory"), "does not answer"),
        (InterfaceError("connection already closed"), "does not answer"),
    ],
)
def test_what_is_wrong_is_said_in_words(error, words):
    assert why_unavailable(error).startswith(words)
    assert why_unavailable(of_django(error)).startswith(words)


def of_django(cause: Exception) -> Exception:
    error = OperationalError(str(cause))
    error.__cause__ = cause
    return error
