"""What `manage.py` says while the database is away, or has no tables."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings
from django.db import connection

pytestmark = pytest.mark.processes


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed_in_a_moment:
        return int(closed_in_a_moment.getsockname()[1])


@pytest.fixture
def empty_database(db: None) -> Iterator[str]:
    """The URL of a database without tables."""
    name = f"empty_{os.getpid()}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    used = connection.settings_dict
    who = f"{used['USER']}:{quote(used['PASSWORD'], safe='')}".removesuffix(":")
    place = urlencode({"host": used["HOST"], "port": used["PORT"]})
    yield f"postgres://{who}@/{name}?{place}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def manage(port: int, *words: str) -> subprocess.CompletedProcess[str]:
    return manage_at(f"postgres://operator:the-password@127.0.0.1:{port}/melodymaker", *words)


def manage_at(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url, "DEBUG": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("command", ["migrate", "demo", "clearsessions"])
def test_a_command_says_it_in_a_sentence(closed_port: int, command: str) -> None:
    done = manage(closed_port, command)
    assert done.returncode == 1
    assert done.stderr.startswith("The database refuses connections, so the command did not finish")
    assert "Traceback" not in done.stderr
    assert "the-password" not in done.stderr


def test_an_operator_can_ask_for_the_traceback(closed_port: int) -> None:
    assert "Traceback" in manage(closed_port, "demo", "--traceback").stderr


@pytest.mark.parametrize(
    "words", [("send", "shop/order.paid"), ("demo",), ("remove_second_factor", "ada")]
)
def test_a_command_says_that_the_database_is_not_migrated(
    empty_database: str, words: tuple[str, ...]
) -> None:
    done = manage_at(empty_database, *words)
    assert done.returncode == 1
    said = "The database is not migrated, so the command did not finish. `manage.py migrate` does"
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_that_no_migration_makes_is_an_error_of_the_code(empty_database: str) -> None:
    read = "from django.db import connection as c; c.cursor().execute('SELECT * FROM not_there')"
    assert manage_at(empty_database, "migrate", "-v0").returncode == 0
    assert "Traceback" in manage_at(empty_database, "shell", "-c", read).stderr
