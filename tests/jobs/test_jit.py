"""No statement of the engine is compiled by PostgreSQL, whatever the role's settings say: not on a
direct connection, and not behind a pool in transaction mode, where a session's settings are not
ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from jobs import statements

pytestmark = pytest.mark.django_db(transaction=True)
JIT = "SELECT current_setting('jit')"


@contextlib.contextmanager
def set_for_the_role(name: str, value: str) -> Iterator[None]:
    """For every session that begins in this database from now on."""
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    run(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {name} = '{value}'")
    try:
        yield
    finally:
        connection.close()
        run(f"ALTER ROLE CURRENT_USER IN DATABASE {database} RESET {name}")
        connection.close()


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def by_django() -> str:
    with connection.cursor() as cursor:
        cursor.execute(JIT)
        return str(cursor.fetchone()[0])


def by_the_engine() -> set[str]:
    (one,), (two,) = statements.together((JIT, {}), (JIT, {}))
    (three,) = statements.at_once(JIT)
    return {one[0], two[0], three[0]}


@pytest.fixture
def pooled() -> Iterator[None]:
    settings = connection.settings_dict
    before = settings.get("DISABLE_SERVER_SIDE_CURSORS", False)
    settings["DISABLE_SERVER_SIDE_CURSORS"] = True
    connection.close()
    yield
    settings["DISABLE_SERVER_SIDE_CURSORS"] = before
    connection.close()


def test_a_direct_connection_compiles_nothing():
    with set_for_the_role("jit", "on"):
        connection.close()
        assert by_django() == "off"
        assert by_the_engine() == {"off"}


@pytest.mark.usefixtures("pooled")
def test_behind_a_pool_the_engines_own_statements_are_not_compiled():
    with set_for_the_role("jit", "on"):
        connection.close()
        assert by_the_engine() == {"off"}
        assert by_django() == "on"  # the session is the next client's, too
        with transaction.atomic():
            assert by_the_engine() == {"off"}
        assert by_django() == "on"


@pytest.mark.usefixtures("pooled")
def test_behind_a_pool_whose_role_has_it_off_nothing_more_is_sent():
    with set_for_the_role("jit", "off"):
        connection.close()
        assert by_the_engine() == {"off"}
        with transaction.atomic():
            statements.before_next("SAVEPOINT one", "SAVEPOINT two")
            assert by_the_engine() == {"off"}
