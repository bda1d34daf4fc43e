"""What `manage.py check --database default` says of a pool before the server. Each pool is a
PgBouncer of the test's own, so `make test-postgres` alone runs these."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.postgres import programs, servers

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_pool,
]

PORT = 6433  # beside the pool of the session
TAKES_OPTIONS = "ignore_startup_parameters = options"


def checked(mode: str, more: str = "", **behind_the_url: str) -> tuple[int, str]:
    """The exit code of the check in a site before whose database is such a pool, and its words."""
    there = connection.get_connection_params()
    sockets, pgbouncer = Path(there["host"]), programs.pgbouncer()
    assert pgbouncer is not None
    port = PORT + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    url = servers.url(sockets, port=port, database=there["dbname"], **behind_the_url)
    with servers.pool(sockets, pgbouncer, mode=mode, port=port, more=more):
        done = subprocess.run(
            [sys.executable, "manage.py", "check", "--database", "default"],
            cwd=settings.BASE_DIR,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": url, "DEBUG": "1"},
            capture_output=True,
            text=True,
        )
    return done.returncode, done.stdout + done.stderr


def test_a_pool_in_session_mode_suits():
    code, said = checked("session", TAKES_OPTIONS)
    assert (code, "no issues" in said) == (0, True)


def test_of_a_pool_in_transaction_mode_it_warns_that_no_notify_arrives():
    code, said = checked("transaction", **servers.BEHIND_A_POOL)
    assert (code, "jobs.W010" in said) == (0, True)


def test_behind_a_pool_it_says_how_to_switch_jit_off():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('jit')::bool AND pg_jit_available()")
        (is_on,) = cursor.fetchone()
    _, said = checked("transaction", **servers.BEHIND_A_POOL)
    assert ("jobs.W019" in said) == is_on


def test_a_pool_in_transaction_mode_that_the_url_does_not_name_is_an_error():
    code, said = checked("transaction", TAKES_OPTIONS)
    assert (code, "jobs.E012" in said, "disable_server_side_cursors" in said) == (1, True, True)


def test_a_pool_that_refuses_what_it_is_told_is_an_error():
    code, said = checked("session")
    assert (code, "jobs.E012" in said, "ignore_startup_parameters" in said) == (1, True, True)


def test_a_pool_in_statement_mode_is_an_error():
    code, said = checked("statement", **servers.BEHIND_A_POOL)
    assert (code, "jobs.E011" in said, "pool_mode" in said) == (1, True, True)
