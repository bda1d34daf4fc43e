"""What the engine leans on in Django's wrapper of a connection, most of it undocumented. A release
that changes it fails here first."""

from __future__ import annotations

import ast
from pathlib import Path

import psycopg
import pytest
from django.db import ProgrammingError, connection, connections, transaction

import jobs
from jobs.platform.postgres import connection_state
from tests.support.functions import Diary

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_wrapper_has_what_the_engine_reads_and_writes():
    connection.ensure_connection()
    assert connection.run_on_commit == connection.savepoint_ids == connection.atomic_blocks == []
    assert connection.execute_wrappers == []
    flags = (connection.in_atomic_block, connection.needs_rollback, connection.queries_logged)
    assert flags == (False, False, False)
    assert connection.closed_in_transaction is False


def test_a_block_is_known_while_it_is_open_and_its_callbacks_with_their_savepoints():
    with transaction.atomic():
        assert (connection.in_atomic_block, len(connection.atomic_blocks)) == (True, 1)
        with transaction.atomic():
            (savepoint,) = connection.savepoint_ids
            transaction.on_commit(print)
            ((savepoints, callback, is_robust),) = connection.run_on_commit
            assert (savepoints, callback, is_robust) == ({savepoint}, print, False)
            transaction.set_rollback(True)
        assert connection.run_on_commit == []


def test_a_block_can_be_left_from_outside():
    transaction.atomic().__enter__()
    connection.atomic_blocks[-1].__exit__(ValueError, ValueError(), None)
    assert not connection.in_atomic_block
    assert connection.get_autocommit()


def test_a_connection_that_is_dropped_leaves_nothing_open():
    transaction.atomic().__enter__()
    connection_state.drop(connection)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert len(connection.atomic_blocks) == 1
    assert connection.get_autocommit()


def test_a_wrapped_cursor_raises_djangos_errors_and_is_seen_by_the_connections_wrappers():
    connection.ensure_connection()
    diary = Diary()

    def see(execute, sql, params, many, context):
        diary.write(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see), pytest.raises(ProgrammingError):
        connection_state.wrapped(connection, psycopg.Cursor(connection.connection)).execute("NO")
    assert diary.entries == ["NO"]


def test_one_private_name_of_the_wrapper_is_used_in_one_file():
    theirs = {name for name in dir(connections["default"]) if name[0] == "_" and name[1] != "_"}
    found = {
        (path.name, node.attr)
        for path in Path(jobs.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in theirs
        if ast.unparse(node.value) in ("here", "connection", "self._database")
    }
    assert found == {("connection_state.py", "_prepare_cursor")}
