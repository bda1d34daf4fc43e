"""A machine that lost its power is noticed by both sides, a killed process by the server, and no
pool is told what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

pytestmark = pytest.mark.processes

SAY = """
import json
from melodymaker import settings
print(json.dumps(settings.DATABASES["default"]["OPTIONS"]))
"""
SERVER_SIDE = [
    "client_connection_check_interval",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
]


def options(url: str) -> dict[str, object]:
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "DEBUG": "1"}
    python = [sys.executable, "-c", SAY]
    said = subprocess.run(
        python, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(said.stdout)
    return found


@pytest.mark.django_db
def test_the_server_is_told_with_each_connection() -> None:
    """On a socket of the same machine their values read 0; who set them is told all the same."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_settings"
            " WHERE name ~ '^(tcp|client_connection)' AND source = 'client' ORDER BY name"
        )
        assert [row[0] for row in cursor.fetchall()] == SERVER_SIDE
    own = connection.get_connection_params()
    assert (own["keepalives_idle"], own["tcp_user_timeout"]) == (30, 60_000)


def test_a_pool_is_not_told() -> None:
    pooled = options("postgres://me@pool.example.org/songs?disable_server_side_cursors=true")
    assert pooled["options"] == ""
    assert pooled["keepalives_idle"] == 30


def test_what_the_url_says_takes_their_place() -> None:
    said = options("postgres://me@db.example.org/songs?options=-c%20geqo%3Doff&keepalives_idle=5")
    assert (said["options"], said["keepalives_idle"]) == ("-c geqo=off", 5)
    assert said["keepalives_interval"] == 10
