"""What code does to its database session, the next run does not find."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from jobs.api import Context
from jobs.testing import drain
from songs.models import Category
from tests.support.functions import go, registered, the_run
from tests.support.interruptions import create, errors, play, sql

pytestmark = pytest.mark.django_db(transaction=True)


SETS_UP = {
    "a table that hides the product's": "CREATE TEMPORARY TABLE songs_category (nothing int)",
    "a time zone": "SET timezone = 'Asia/Tokyo'",
    "a function's time zone": "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
    "a timeout": "SET statement_timeout = '1ms'",
    "a search path": "set search_path to nowhere",
    "a role": "SET ROLE pg_monitor",
    "a prepared statement": "PREPARE mine AS SELECT 1",
    "a lock": "SELECT pg_advisory_lock(4711)",
}


OF_THE_SESSION = """
SELECT current_setting('TimeZone'), current_user = session_user,
       (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
"""


@pytest.mark.needs_session("sets up its session")
@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("statement", SETS_UP.values(), ids=SETS_UP)
def test_a_session_that_code_has_set_up_is_not_the_next_runs(statement, atomic):
    def handler(ctx: Context) -> Any:
        if ctx.event.data["sets"]:
            return ctx.step.run("sets", sql(statement), atomic=atomic)
        ctx.step.run("create", create, "kept")
        return ctx.step.run("look", look)

    def look() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(OF_THE_SESSION)
            return list(cursor.fetchone())

    with registered(handler, retries=0):
        go({"sets": True})
        go({"sets": False})
        drain(limit=20)
    run = the_run()
    assert (run.status, errors(run)) == ("completed", [])
    assert run.output == ["UTC", True, 0, 0]
    assert Category.objects.filter(name="kept").count() == 1


def test_a_connection_that_code_has_only_used_is_the_next_runs():
    def uses() -> None:
        create("one")
        sql("SET LOCAL statement_timeout = '1min'")()
        connection.check_constraints()

    play(lambda ctx: ctx.step.run("uses", uses))
    used = connection.connection
    assert used is not None
    play(lambda ctx: ctx.step.run("uses", uses))
    assert connection.connection is used


def test_what_a_body_has_put_around_each_statement_goes_with_it():
    def refuse(*_: Any) -> None:
        raise RuntimeError("no more statements")

    def wraps() -> None:
        connection.execute_wrappers.append(refuse)

    run = play(lambda ctx: ctx.step.run("wraps", wraps, atomic=False))
    assert (run.status, connection.execute_wrappers) == ("failed", [])
