"""A connection that dials only vetted addresses, within the request's time.

urllib3 dials by `_new_conn`, the one private name used here. A connection that it dials otherwise
is not used: it could lead anywhere.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from jobs.errors import FetchCode
from jobs.platform.http.deadline_socket import dial

CONNECT_TIMEOUT = 10.0  # seconds for resolving, dialling and TLS together
MIN_WAIT = 0.001
HELD = 64 * 1024  # bytes of a request that leave together


Route = Callable[[str, int, float], list[str]]


class Unreachable(Exception):
    code = FetchCode.UNREACHABLE


class PlainConnection(HTTPConnection):
    timeout: float
    sock: socket.socket

    def __init__(self, *args: Any, route: Route, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._route = route
        self._held: bytes | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """The head leaves with the body in one packet, unless that is long."""
        self._held = b""
        try:
            super().request(*args, **kwargs)
        finally:
            head, self._held = self._held, None
        if head:
            self.send(head)

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        elif len(self._held) + len(data) <= HELD:
            self._held += data
        else:
            head, self._held = self._held, None
            super().send(head)
            super().send(data)

    def connect(self) -> None:
        begun = time.monotonic()
        self._is_vetted = False
        budget = min(CONNECT_TIMEOUT, self.timeout)
        self._connected_by = begun + budget
        where = f"no connection to {self.host}:{self.port}"
        try:
            super().connect()
        except TimeoutError:
            raise Unreachable(f"{where} within {budget:.2g} s") from None
        except OSError as error:
            raise Unreachable(f"{where}: {error.strerror or error}") from error
        if not self._is_vetted:
            self.close()
            what = f"urllib3 {urllib3.__version__} dials past the addresses that may be asked"
            raise Unreachable(f"{where}: {what}. Install a tested version (requirements.txt)")
        self.timeout = max(self.timeout - (time.monotonic() - begun), MIN_WAIT)
        self.sock.settimeout(self.timeout)

    def _new_conn(self) -> socket.socket:
        found = self._route(self.host, self.port, self._left())
        for later, address in zip(range(len(found) - 1, -1, -1), found, strict=True):
            try:
                sock = dial(address, self.port, self._left() / (later + 1))
                sock.settimeout(self._left())
                self._is_vetted = True
                return sock
            except OSError:
                if not later:
                    raise
        raise OSError("its name has no address")

    def _left(self) -> float:
        return max(self._connected_by - time.monotonic(), MIN_WAIT)


class TlsConnection(PlainConnection, HTTPSConnection):
    """PlainConnection under TLS."""


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection  # type: ignore[assignment]


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = TlsConnection  # type: ignore[assignment]
