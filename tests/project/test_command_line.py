"""What `manage.py` says while the database is away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from django.conf import settings

pytestmark = pytest.mark.processes


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed_in_a_moment:
        return int(closed_in_a_moment.getsockname()[1])


def manage(port: int, *words: str) -> subprocess.CompletedProcess[str]:
    url = f"postgres://operator:the-password@127.0.0.1:{port}/melodymaker"
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
