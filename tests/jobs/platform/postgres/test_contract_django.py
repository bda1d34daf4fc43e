"""What the engine leans on in Django's wrapper of a connection, most of it undocumented. A release
that changes it fails here first."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django
import psycopg
import pytest
from django.core.checks import run_checks
from django.db import ProgrammingError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper

import jobs
from jobs.platform.postgres import connection_state, django_internals
from songs.models import Category
from tests.support.functions import Diary

pytestmark = pytest.mark.django_db(transaction=True)


LISTS, FLAGS, PRIVATE = map(
    set, (django_internals.LISTS, django_internals.FLAGS, django_internals.PRIVATE)
)
CALLED = {
    *("wrap_database_errors", "validate_no_broken_transaction", "close_if_health_check_failed"),
    *("ensure_connection", "get_autocommit", "on_commit", "execute_wrapper", "close", "copy"),
}
FENCE = "django_internals.py"


def problems() -> list[tuple[str, str]]:
    found = [message for message in run_checks() if message.id in ("jobs.E018", "jobs.W026")]
    return [(str(message.id), message.msg) for message in found]


# --- the layout -----------------------------------------------------------------------------------


def test_the_installed_django_is_a_tested_one():
    assert django_internals.TESTED.untested() == ""
    assert problems() == []


def test_a_wrapper_keeps_lists_and_flags():
    connection.ensure_connection()
    assert {name: getattr(connection, name) for name in LISTS} == {name: [] for name in LISTS}
    assert {name: getattr(connection, name) for name in FLAGS} == dict.fromkeys(FLAGS, False)
    assert connection.in_atomic_block is False
    assert [name for name in CALLED if not hasattr(connection, name)] == []


def test_a_block_is_listed_while_it_is_open():
    with transaction.atomic():
        assert (connection.in_atomic_block, len(connection.atomic_blocks)) == (True, 1)
        assert isinstance(connection.atomic_blocks[-1], transaction.Atomic)
        with transaction.atomic():
            assert django_internals.count_blocks(connection) == 2
            assert len(connection.savepoint_ids) == django_internals.count_savepoints(connection)
        assert (len(connection.atomic_blocks), connection.savepoint_ids) == (1, [])
    assert connection.atomic_blocks == []


def test_a_callback_is_a_triple_and_goes_with_its_savepoints():
    with transaction.atomic():
        with transaction.atomic():
            (savepoint,) = connection.savepoint_ids
            transaction.on_commit(print)
            transaction.on_commit(repr, robust=True)
            assert connection.run_on_commit == [
                ({savepoint}, print, False),
                ({savepoint}, repr, True),
            ]
            assert django_internals.pending_callbacks(connection) == [print, repr]
            transaction.set_rollback(True)
        assert connection.run_on_commit == []


def test_django_commits_by_the_base_wrappers_private_method():
    assert "_commit" in vars(BaseDatabaseWrapper)
    assert "_commit" not in vars(DatabaseWrapper)
    assert "self._commit()" in inspect.getsource(BaseDatabaseWrapper.commit)


# --- what the engine does with it -----------------------------------------------------------------


def test_callbacks_are_replaced_and_called_with_their_transaction():
    diary = Diary()

    def told(callback: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: diary.write(callback())

    with transaction.atomic():
        transaction.on_commit(lambda: "called", robust=True)
        django_internals.replace_callbacks(connection, told)
        assert connection.run_on_commit[0][::2] == (set(), True)
        assert diary.entries == []
    assert diary.entries == ["called"]


def test_the_last_callback_is_known_until_its_savepoint_is_rolled_back():
    is_last = django_internals.is_last_callback
    with transaction.atomic():
        assert not is_last(connection, print)
        transaction.on_commit(repr)
        with django_internals.registered(connection, "engines"):
            connection.on_commit(lambda: None)
            assert not is_last(connection, repr)
            connection.run_on_commit.pop()
            transaction.on_commit(print)
            assert is_last(connection, print)
        assert connection.savepoint_ids == []
        assert not is_last(connection, print)
        connection.run_on_commit.clear()


def test_each_commit_is_watched_and_no_other_one():
    seen = []

    def watch(here: Any, commit: Callable[[], None]) -> None:
        seen.append(connection_state.has_written(here))
        commit()

    with django_internals.watched_commits(watch), transaction.atomic():
        Category.objects.create(name="Jazz", folded="jazz")
    with transaction.atomic():
        Category.objects.create(name="Blues", folded="blues")
    assert (seen, Category.objects.count()) == ([True], 2)


def test_execute_wrappers_are_put_back():
    kept = django_internals.copy_wrappers(connection)
    connection.execute_wrappers.append(lambda execute, *given: execute(*given))
    assert django_internals.is_watched(connection)
    django_internals.restore_wrappers(connection, kept)
    assert not django_internals.is_watched(connection)


def test_a_block_can_be_left_from_outside():
    transaction.atomic().__enter__()
    django_internals.leave_last_block(connection, ValueError())
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
        django_internals.wrapped(connection, psycopg.Cursor(connection.connection)).execute("NO")
    assert diary.entries == ["NO"]


# --- another Django -------------------------------------------------------------------------------


def forget_savepoints(here: BaseDatabaseWrapper, callback: Any, robust: bool = False) -> None:
    here.run_on_commit.append((callback, robust))


def without(name: str) -> Any:
    def init(here: BaseDatabaseWrapper, *given: Any, **options: Any) -> None:
        INIT(here, *given, **options)
        delattr(here, name)

    return init


INIT = BaseDatabaseWrapper.__init__
OTHERS = {
    "other callbacks": ("on_commit", forget_savepoints, "run_on_commit"),
    "no list of blocks": ("__init__", without("atomic_blocks"), "atomic_blocks"),
    "no private commit": ("_commit", None, "_commit"),
}


@pytest.mark.parametrize(("name", "other", "missing"), OTHERS.values(), ids=OTHERS)
def test_a_django_that_keeps_transactions_otherwise_is_an_error(name, other, missing, monkeypatch):
    monkeypatch.setattr(BaseDatabaseWrapper, name, other)
    ((id, said),) = problems()
    monkeypatch.undo()
    assert id == "jobs.E018"
    assert f"in another way than the engine knows ({missing}): no step could commit." in said


def test_an_untested_django_is_a_warning(monkeypatch):
    monkeypatch.setattr(django, "VERSION", (6, 1, 0, "final", 0))
    assert problems()[0][1].startswith(
        "Django 6.1 is not tested with the engine; versions from 5.2"
    )


# --- the fence ------------------------------------------------------------------------------------


def test_undocumented_parts_of_the_wrapper_are_named_in_one_file():
    """Whatever they are read from, or written to; the wrapper's other private names, too."""
    undocumented = LISTS | FLAGS | PRIVATE
    private = {name for name in dir(DatabaseWrapper) if name[0] == "_" and name[1] != "_"}
    found = {
        (path.name, name)
        for path in Path(jobs.__file__).parent.rglob("*.py")
        for name, owner in named(ast.parse(path.read_text()))
        if name in undocumented or (name in private and owner != "self")
    }
    assert {file for file, _ in found} == {FENCE}
    assert {name for _, name in found} == undocumented


def named(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Attributes with what they are of, and texts that are names: `patch.object(of, "name")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr, ast.unparse(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, ""


def test_only_there_the_wrapper_is_written():
    """What is read anywhere: whether a block is open, and the raw connection."""
    written = {
        (path.name, target.attr)
        for path in Path(jobs.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr in ("in_atomic_block", "connection")
        if ast.unparse(target.value) != "self"
    }
    assert written == {(FENCE, "in_atomic_block"), (FENCE, "connection")}
