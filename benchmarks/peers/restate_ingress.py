"""Invocations through Restate's ingress, over connections that are kept."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CONNECTIONS = 16  # side by side, when many songs are ordered at once
PATIENCE = 30.0


class Ingress:
    def __init__(self, port: int, takes_turns: bool) -> None:
        self._port, self._takes_turns = port, takes_turns
        self._own = threading.local()
        self._many = ThreadPoolExecutor(CONNECTIONS)

    def wait(self) -> None:
        """Until the services are registered."""
        deadline = time.monotonic() + PATIENCE
        while not self._knows_the_services():
            if time.monotonic() > deadline:
                raise TimeoutError("Restate's server does not know the services.")
            time.sleep(0.2)

    def _knows_the_services(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            connection.request("GET", "/restate/health")
            services = json.loads(connection.getresponse().read())["services"]
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return {"Songs", "Listeners"} <= set(services)

    def send(self, songs: Sequence[Any]) -> None:
        """Returns when all are in Restate's log."""
        if len(songs) == 1:
            self._send(songs[0])
        else:
            list(self._many.map(self._send, songs))

    def _send(self, song: Any) -> None:
        target = f"Listeners/{song.owner_id}" if self._takes_turns else "Songs"
        connection = self._connection()
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/{target}/make/send", json.dumps(song.pk), headers)
        response = connection.getresponse()
        said = response.read()
        if response.status >= 300:
            raise RuntimeError(f"Restate's ingress answers {response.status}: {said[:200]!r}")

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection("127.0.0.1", self._port)
        return self._own.connection
