"""Connections that keep to the clock and go only where they may.

1. A socket's timeout is a budget for all that follows, not for each call: whoever sends a byte a
   second, in a header or in a chunk, gets no more time than whoever sends nothing.
2. A name is resolved, its addresses are vetted and one of them is dialled, in one place. Nothing
   resolves it a second time, so that it does not matter what it would resolve to then. TLS still
   asks for, and verifies, the name.
3. Connections are kept and shared by the threads of one process; cookies, proxies and passwords
   of the environment are nobody's.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from jobs import addresses, conf

CONNECT_TIMEOUT = 10.0  # seconds for resolving, dialling and TLS together
SHORTEST = 0.001  # 0 would mean "do not wait", which is another error
HOSTS = 100  # whose connections are kept
HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "MelodyMaker-jobs"}

# A peer that is gone is noticed within a minute, also while an answer takes ten; and what stands
# between (NAT) does not forget a connection on which nothing is said.
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in KEEPALIVE.items()
        if hasattr(socket, name)
    ),
]

Resolve = Callable[[str, int], list[str]]


class Unreachable(Exception):
    """There is no connection, and why."""


class Transport:
    """The pools of connections of one process; `open` may be called by any thread."""

    def __init__(self, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`resolve(name, port)` gives a name's addresses; `tls` whose certificates are believed."""
        self._resolve = resolve or look_up
        tls = tls or trusted()
        tls.sslsocket_class = TlsSocket
        self._pools = urllib3.PoolManager(HOSTS, maxsize=conf.gateway_limit(), ssl_context=tls)
        self._pools.pool_classes_by_scheme = {
            "http": partial(PlainPool, route=self._route),  # type: ignore[dict-item]
            "https": partial(TlsPool, route=self._route),  # type: ignore[dict-item]
        }

    def open(
        self, method: str, url: str, headers: dict[str, str], body: bytes, timeout: float
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and read the answer's head; all of it, and of the body, in `timeout` s.

        Raises Refused, Unreachable or urllib3's HTTPError.
        """
        return self._pools.urlopen(
            method,
            url,
            headers=urllib3.HTTPHeaderDict(HEADERS) | headers,
            body=body or None,
            timeout=urllib3.Timeout(total=timeout),
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def _route(self, host: str, port: int, timeout: float) -> list[str]:
        """The addresses that may be dialled for a host."""
        addresses.permit(host, port)
        if addresses.is_literal(host):
            return addresses.vet(host, port, [host])
        return addresses.vet(host, port, self._found(host, port).result(timeout))

    def _found(self, host: str, port: int) -> Future[list[str]]:
        """A name's addresses, from a thread: the system's resolver knows no deadline. A thread of
        its own, so that one that hangs keeps neither other names nor the process's end waiting."""
        found: Future[list[str]] = Future()

        def find() -> None:
            try:
                found.set_result(self._resolve(host, port))
            except Exception as error:
                found.set_exception(error)

        threading.Thread(target=find, name="resolve", daemon=True).start()
        return found


_lock = threading.Lock()
_transport: Transport | None = None


def current() -> Transport:
    """This process's own, made when it is first asked for."""
    global _transport
    with _lock:
        if _transport is None:
            _transport = Transport()
        return _transport


def _forget() -> None:
    """After a fork: the connections are the parent's, and so is who held the lock."""
    global _lock, _transport
    _lock, _transport = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)


def look_up(host: str, port: int) -> list[str]:
    """The system's answer, each address once, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def trusted() -> ssl.SSLContext:
    """The system's certificate authorities and Mozilla's. One for all connections: loading them
    takes longer than the handshake."""
    tls = ssl.create_default_context(cafile=certifi.where())
    tls.load_default_certs()
    return tls


# --- sockets --------------------------------------------------------------------------------------


class PlainSocket(socket.socket):
    """A socket on which `settimeout` gives a budget for everything that follows."""

    _deadline = float("inf")

    def settimeout(self, value: float | None) -> None:
        self._deadline = float("inf") if value is None else time.monotonic() + value
        super().settimeout(value)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._keep_to_the_clock()
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self._keep_to_the_clock()
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self._keep_to_the_clock()
        return super().sendall(*args, **kwargs)

    def _keep_to_the_clock(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        if left != float("inf"):
            super().settimeout(left)


class TlsSocket(PlainSocket, ssl.SSLSocket):
    """The same under TLS."""


# --- connections ----------------------------------------------------------------------------------


class PlainConnection(HTTPConnection):
    """Dials vetted addresses only, and counts what that took."""

    timeout: float
    sock: socket.socket

    def __init__(self, *args: Any, route: Callable[[str, int, float], list[str]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._route = route

    def connect(self) -> None:
        """Resolve, dial and shake hands, within CONNECT_TIMEOUT; what is left is the request's."""
        begun = time.monotonic()
        budget = min(CONNECT_TIMEOUT, self.timeout)
        self._connected_by = begun + budget
        where = f"no connection to {self.host}:{self.port}"
        try:
            super().connect()
        except TimeoutError:
            raise Unreachable(f"{where} within {budget:.2g} s") from None
        except OSError as error:
            raise Unreachable(f"{where}: {error.strerror or error}") from error
        self.timeout = max(self.timeout - (time.monotonic() - begun), SHORTEST)
        self.sock.settimeout(self.timeout)

    def _new_conn(self) -> socket.socket:
        found = self._route(self.host, self.port, self._left())
        for later, address in zip(range(len(found) - 1, -1, -1), found, strict=True):
            try:
                return self._dial(address, self._left() / (later + 1))
            except OSError:
                if not later:
                    raise
        raise OSError("its name has no address")

    def _dial(self, address: str, timeout: float) -> socket.socket:
        sock = PlainSocket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            for option in SOCKET_OPTIONS:
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            sock.connect((address, self.port))
            sock.settimeout(self._left())
        except BaseException:
            sock.close()
            raise
        return sock

    def _left(self) -> float:
        return max(self._connected_by - time.monotonic(), SHORTEST)


class TlsConnection(PlainConnection, HTTPSConnection):
    """The same under TLS."""


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection  # type: ignore[assignment]


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = TlsConnection  # type: ignore[assignment]
