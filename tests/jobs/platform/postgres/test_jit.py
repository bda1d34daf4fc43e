"""No statement of the engine is compiled by PostgreSQL, whatever the role's settings say: not on a
direct connection, and not behind a pool in transaction mode, where a session's settings are not
ours."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.signals import connection_created

from jobs.api import Concurrency, Context, Event, cancel, rerun, send
from jobs.maintenance import cron, retention, sweeper, turn_repair
from jobs.models import Run
from jobs.platform.postgres import statements
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("a role's settings count for a session when it begins"),
]
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
    (one,), (two,) = statements.execute_many((JIT, {}), (JIT, {}))
    (three,) = statements.execute_nowait(JIT)
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
            statements.execute_nowait("SAVEPOINT one; SAVEPOINT two")
            assert by_the_engine() == {"off"}


# --- seen by PostgreSQL itself --------------------------------------------------------------------

EXPLAINING = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_level": "notice",
    "jit": "on",
    "jit_above_cost": "0",  # whatever would be compiled for being dear, is
}


@pytest.fixture
def plans() -> Iterator[list[str]]:
    """How each statement is executed that this process sends from here on."""
    seen: list[str] = []

    def listen(connection: Any, **_: Any) -> None:
        raw = connection.connection
        raw.add_notice_handler(lambda notice: seen.append(notice.message_primary))

    with contextlib.ExitStack() as stack:
        for name, value in EXPLAINING.items():
            stack.enter_context(set_for_the_role(name, value))
        connection_created.connect(listen)
        stack.callback(connection_created.disconnect, listen)
        connection.close()
        yield seen


def has_jit() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_jit_available()")
        return bool(cursor.fetchone()[0])


def a_life(ctx: Context) -> str:
    ctx.step.run("one", Run.objects.count)
    ctx.step.sleep("nap", 0.001)
    ctx.step.fetch("asks", ctx.event.data["url"])
    ctx.step.send_event("tells", Event(name="test/told", data={}))
    ctx.step.wait_for_event("hears", event="test/answer", timeout=timedelta(days=1))
    if ctx.event.data["fails"]:
        raise ValueError("so it fails")
    return "done"


def test_postgresql_compiles_nothing_of_the_engines_in_a_runs_whole_life(plans, endpoint):
    """On a server without LLVM, as the wheel's is, nothing ever is: `make test-postgres` plays this
    on one that would compile each of these statements."""
    statements.read_by_index()
    lines = Concurrency(limit=1, key="event.data.user")
    with registered(a_life, on_failure=lambda ctx: None, concurrency=lines, retries=0):
        data = {"url": endpoint.url, "user": 1}
        send([Event(name="test/go", data=data | {"fails": number > 1}) for number in range(3)])
        for _ in range(3):
            drain()
            travel(timedelta(seconds=1))
            drain()
            send(Event(name="test/answer", id=str(uuid.uuid4())))
        drain()
        again = rerun(Run.objects.get(fn_id="test-function", status="failed").id)
        cancel(again)
        sweeper.sweep()
        turn_repair.repair_turns()
        cron.tick()
        travel(timedelta(days=40))
        retention.delete_ended()
    assert not Run.objects.exists()
    for what in ("INSERT INTO jobs_run", "FOR UPDATE SKIP LOCKED", "INSERT INTO jobs_step"):
        assert any(what in plan for plan in plans)
    assert [plan for plan in plans if "\nJIT:" in plan] == []
    if has_jit():
        run("SET jit = on")
        by_django()
        assert any("\nJIT:" in plan for plan in plans)
