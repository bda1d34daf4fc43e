"""A connection that dials only vetted addresses, within the request's time.

The engine dials and shakes hands itself, by `connect()`, and uses no private name of urllib3's. A
connection that urllib3 has dialled is not used: it could lead anywhere.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from jobs.errors import FetchCode
from jobs.lib.version_range import VersionRange
from jobs.platform.http.deadline_socket import dial

TESTED = VersionRange(
    "urllib3",
    lambda: urllib3.__version__,
    first=(2, 6),
    behind=(2, 9),
    id="jobs.W025",
    otherwise=(
        "A request that it would send by a connection of its own fails as unreachable, and reaches "
        "no host."
    ),
)
CONNECT_TIMEOUT = 10.0  # seconds for resolving, dialling and TLS together
MIN_WAIT = 0.001
MAX_HELD = 64 * 1024  # bytes of a request that leave together


Route = Callable[[str, int, float], list[str]]


class Unreachable(Exception):
    code = FetchCode.UNREACHABLE


class PlainConnection(HTTPConnection):
    timeout: float
    sock: socket.socket | None

    def __init__(self, *args: Any, route: Route, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._route = route
        self._held: bytes | None = None
        self._dialled: socket.socket | None = None

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
            self._send_now(data)
        elif len(self._held) + len(data) <= MAX_HELD:
            self._held += data
        else:
            head, self._held = self._held, None
            self._send_now(head)
            self._send_now(data)

    def _send_now(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self.sock is not self._dialled:
            self.close()
            what = f"urllib3 {urllib3.__version__} dials past the addresses that may be asked"
            advice = "Install a tested version (requirements.txt)"
            raise Unreachable(f"no connection to {self.host}:{self.port}: {what}. {advice}")
        super().send(data)

    def connect(self) -> None:
        begun = time.monotonic()
        budget = min(CONNECT_TIMEOUT, self.timeout)
        self._connected_by = begun + budget
        where = f"no connection to {self.host}:{self.port}"
        try:
            self.sock = self._dial()
            self.sock = self._dialled = self._secured(self.sock)
        except TimeoutError:
            raise Unreachable(f"{where} within {budget:.2g} s") from None
        except OSError as error:
            raise Unreachable(f"{where}: {error.strerror or error}") from error
        self.timeout = max(self.timeout - (time.monotonic() - begun), MIN_WAIT)
        self.sock.settimeout(self.timeout)

    def _secured(self, sock: socket.socket) -> socket.socket:
        return sock

    def _dial(self) -> socket.socket:
        found = self._route(self.host, self.port, self._left())
        for later, address in zip(range(len(found) - 1, -1, -1), found, strict=True):
            try:
                sock = dial(address, self.port, self._left() / (later + 1))
                sock.settimeout(self._left())
                return sock
            except OSError:
                if not later:
                    raise
        raise OSError("its name has no address")

    def _left(self) -> float:
        return max(self._connected_by - time.monotonic(), MIN_WAIT)


class TlsConnection(PlainConnection, HTTPSConnection):
    """PlainConnection under TLS, with the Transport's context, which verifies the name."""

    ssl_context: ssl.SSLContext

    def _secured(self, sock: socket.socket) -> socket.socket:
        secured = self.ssl_context.wrap_socket(sock, server_hostname=self.host.rstrip("."))
        self.is_verified = True
        return secured


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection  # type: ignore[assignment]


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = TlsConnection  # type: ignore[assignment]
