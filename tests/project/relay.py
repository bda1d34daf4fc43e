"""A way to the database that can freeze: what is sent after that arrives nowhere, and no socket is
closed, as with a machine that has lost its power or a server that is stopped in its tracks."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any


class Relay(threading.Thread):
    """Listens at `address` and passes everything on to the server of these settings, both ways."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._server = settings["HOST"] or "127.0.0.1", int(settings["PORT"] or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._frozen = threading.Event()
        self._sockets = [self._listener]
        self.address = self._listener.getsockname()

    def freeze(self) -> None:
        self._frozen.set()

    def close(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):  # the other side has gone
                sock.shutdown(socket.SHUT_RDWR)  # ends the threads that read from it
            sock.close()

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            far = self._connect()
            self._sockets += [near, far]
            for pair in [(near, far), (far, near)]:
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = self._server
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{host}/.s.PGSQL.{port}")
        return far

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while (data := source.recv(65536)) and not self._frozen.is_set():
                target.sendall(data)
        except OSError:
            pass  # one of the sides has gone
