"""What `manage.py check --database default` says of a server, a role or a pool that does not suit
the engine. Each is the real thing: the role is told so, and asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import checks
from django.db import connection
from django.db.backends.base import base
from django.db.backends.postgresql.features import DatabaseFeatures
from psycopg import IsolationLevel

from jobs.api import Event, TriggerEvent, send
from jobs.models import Run
from jobs.platform.postgres import server_checks
from jobs.testing import drain
from tests.support.functions import registered

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("a role's settings count for a session when it begins"),
]

SETTINGS = {
    "default_transaction_isolation = serializable": "jobs.E015",
    "default_transaction_isolation = 'repeatable read'": "jobs.E015",
    "default_transaction_read_only = on": "jobs.E016",
    "DateStyle = 'German, DMY'": "jobs.E030",
    "DateStyle = 'SQL, MDY'": "jobs.E030",
    "IntervalStyle = iso_8601": "jobs.E031",
    "array_nulls = off": "jobs.E032",
    "synchronous_commit = off": "jobs.W013",
    "lock_timeout = '1s'": "jobs.W014",
    "statement_timeout = '2s'": "jobs.W015",
    "idle_in_transaction_session_timeout = '1min'": "jobs.W016",
    "idle_session_timeout = '1min'": "jobs.W018",
}
SUIT = [
    "jit = on",
    "DateStyle = 'ISO, DMY'",
    "synchronous_commit = local",
    "lock_timeout = '1min'",
    "statement_timeout = '1min'",
    "idle_in_transaction_session_timeout = '1h'",
    "idle_session_timeout = '1d'",
]
WORKED_WITH = ["jit = on", *(setting for setting, id in SETTINGS.items() if ".W" in id)]


def found() -> dict[str, checks.CheckMessage]:
    return {
        problem.id: problem
        for problem in checks.run_checks(tags=["database"], databases=["default"])
    }


def ask(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def told(monkeypatch) -> Iterator[Any]:
    """Has the role's sessions in this database begin with a setting."""
    options = {**connection.settings_dict["OPTIONS"], "options": ""}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    connection.close()
    database = connection.settings_dict["NAME"]
    alter = f'ALTER ROLE CURRENT_USER IN DATABASE "{database}"'

    def tell(setting: str) -> None:
        ask(f"{alter} SET {setting}")
        connection.close()

    yield tell
    ask("SET default_transaction_read_only = off", f"{alter} RESET ALL")
    connection.close()


@pytest.fixture
def become(told) -> Iterator[Any]:
    """Makes this session another role's, which may do nothing yet."""
    there, name = connection.settings_dict, f"{connection.settings_dict['NAME']}_guest"
    before = there["USER"], there["PASSWORD"]
    ask(f"CREATE ROLE {name} LOGIN PASSWORD 'guest'")

    def switch(*grants: str) -> str:
        ask(*(grant.format(role=name) for grant in grants))
        connection.close()
        there["USER"], there["PASSWORD"] = name, "guest"
        return name

    yield switch
    connection.close()
    there["USER"], there["PASSWORD"] = before
    ask(f"DROP OWNED BY {name}", f"DROP ROLE {name}", "DROP SCHEMA IF EXISTS bare")


def test_a_server_as_it_comes_suits(told):
    assert found() == {}


@pytest.mark.parametrize("setting", SUIT)
def test_a_setting_that_suits_is_not_spoken_of(told, setting: str):
    told(setting)
    assert found() == {}


def test_djangos_own_isolation_level_is_named(told):
    connection.settings_dict["OPTIONS"]["isolation_level"] = IsolationLevel.REPEATABLE_READ
    connection.close()
    (problem,) = found().values()
    assert problem.id == "jobs.E015"
    assert problem.msg.startswith("OPTIONS['isolation_level'] is repeatable read: ")


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_does_not_suit_is_named_with_what_comes_of_it(told, setting: str):
    told(setting)
    (problem,) = found().values()
    assert problem.id == SETTINGS[setting]
    assert problem.msg.startswith(f"{setting.partition(' =')[0]} is ")
    assert problem.hint


@pytest.mark.parametrize("setting", WORKED_WITH)
def test_with_a_setting_that_is_warned_of_runs_come_to_their_end(told, setting: str):
    told(setting)
    assert_runs_end()


def assert_runs_end() -> None:
    with registered(lambda ctx: ctx.step.run("work", int), trigger=TriggerEvent(event="test/go")):
        send(Event(name="test/go"))
        drain()
    assert Run.objects.get().status == "completed"


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_whose_encoding_cannot_hold_every_text_is_named(told, monkeypatch, encoding):
    name = f"{connection.settings_dict['NAME']}_{encoding.lower()}"
    ask(f"CREATE DATABASE \"{name}\" ENCODING {encoding} LOCALE 'C' TEMPLATE template0")
    try:
        with monkeypatch.context() as patch:
            patch.setitem(connection.settings_dict, "NAME", name)
            connection.close()
            (problem,) = found().values()
            connection.close()
    finally:
        ask(f'DROP DATABASE "{name}" WITH (FORCE)')
    assert problem.id == "jobs.E029"
    assert problem.msg.startswith(f"server_encoding is {encoding}: ")


def test_what_the_url_says_of_a_setting_counts_more_than_the_role(told):
    told("lock_timeout = '1s'")
    connection.settings_dict["OPTIONS"]["options"] = "-c lock_timeout=0"
    assert found() == {}


def test_a_server_older_than_the_oldest_promised_version_is_named(told, monkeypatch):
    monkeypatch.setattr(server_checks, "OLDEST_TESTED", 99)
    (problem,) = found().values()
    assert problem.id == "jobs.E010"
    assert f"is {connection.pg_version // 10_000}" in problem.msg
    assert "PostgreSQL 99 and newer" in problem.hint


def test_a_server_that_django_knows_as_too_old_is_named_as_well(told, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(DatabaseFeatures, "minimum_database_version", (99,))
        patch.setattr(base, "RAN_DB_VERSION_CHECK", set())
        (problem,) = found().values()
    assert problem.id == "jobs.E010"
    assert "99" in problem.msg


def test_a_role_that_may_not_use_the_tables_is_named(become):
    name = become()
    problem = found()["jobs.E013"]
    assert f"“{name}” may not read and write account_emailaddress, " in problem.msg
    assert " more." in problem.msg


def test_a_role_that_may_use_the_tables_works_and_is_warned_that_it_cannot_migrate(become):
    become(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    (problem,) = found().values()
    assert problem.id == "jobs.W012"
    assert "does not own account_emailaddress, " in problem.msg
    assert_runs_end()


@pytest.mark.parametrize(
    ("path", "where", "help"),
    [
        ("bare", "the schema “bare”", "ALTER … OWNER TO"),
        ("nowhere", "any schema of its", "SET search_path"),
    ],
)
def test_a_role_that_may_make_no_tables_is_told_before_it_migrates(
    become, told, path: str, where: str, help: str
):
    become("CREATE SCHEMA IF NOT EXISTS bare", "GRANT USAGE ON SCHEMA bare TO {role}")
    connection.settings_dict["OPTIONS"]["options"] = f"-c search_path={path}"
    try:
        problem = found()["jobs.E014"]
    finally:
        connection.settings_dict["OPTIONS"]["options"] = ""
    assert f"may make no tables in {where}" in problem.msg
    assert help in problem.hint


def test_tables_of_which_no_statistics_are_known_are_named(told, monkeypatch):
    monkeypatch.setattr(server_checks, "MANY_PAGES", 0)
    ask("TRUNCATE jobs_event, jobs_run, jobs_step CASCADE")  # also of other tests' dead rows
    send(Event(name="test/nobody"))
    ask("DELETE FROM pg_statistic WHERE starelid = 'jobs_event'::regclass")
    problem = found()["jobs.W011"]
    assert "no statistics of jobs_event," in problem.msg
    assert "vacuumdb --analyze-in-stages" in problem.hint
    ask("ANALYZE jobs_event")
    assert found() == {}


def test_tables_that_have_grown_since_they_were_analyzed_empty_are_named(told, monkeypatch):
    monkeypatch.setattr(server_checks, "MANY_PAGES", 0)
    ask("TRUNCATE jobs_event, jobs_run, jobs_step CASCADE")
    send(Event(name="test/nobody"))
    ask("ANALYZE jobs_event")
    ask("UPDATE pg_class SET reltuples = 0 WHERE oid = 'jobs_event'::regclass")
    assert "no statistics of jobs_event," in found()["jobs.W011"].msg
    ask("ANALYZE jobs_event")
    assert found() == {}
