from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from tests.support.blocking import Alarm


@pytest.fixture
def alarm() -> Iterator[Callable[[], None]]:
    """Raises an Alarm in the main thread."""

    def go_off(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGUSR1, go_off)
    yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def behind_a_pool(monkeypatch) -> Iterator[None]:
    """As the settings say it, on a new connection."""
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    yield
    connection.close()
