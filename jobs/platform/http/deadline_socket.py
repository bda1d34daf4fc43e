"""Sockets whose timeout is a budget for all later calls, and so are the bytes of an answer. Else a
server that sends a byte a second, or promises and trailers without an end, would hold a request for
ever.
"""

from __future__ import annotations

import errno
import math
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

from jobs.errors import FetchCode
from jobs.platform.http.address_policy import Refused
from jobs.platform.http.exchange import BODY_LIMIT
from jobs.platform.http.greenlet_loop import READABLE, WRITABLE, let_others_run, wait_fd

T = TypeVar("T")

# A gone peer is noticed within a minute; NAT remembers an idle connection.
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


MIN_WAIT = 0.001  # 0 would mean "do not wait"
MAX_RECEIVED = 8 * BODY_LIMIT  # bytes of one answer: a chunk of one byte takes six


class Flood(Refused):
    """An answer without an end; a retry would bring the same."""

    code = FetchCode.UNUSABLE


class PlainSocket(socket.socket):
    """The system's socket never blocks: greenlet_loop waits."""

    _deadline = math.inf
    _received = 0

    def settimeout(self, value: float | None) -> None:
        """Set anew for each request."""
        self._received = 0
        self._deadline = math.inf if value is None else time.monotonic() + value
        super().settimeout(0.0)

    def gettimeout(self) -> float | None:
        left = self._deadline - time.monotonic()
        return None if left == math.inf else max(left, MIN_WAIT)

    def connect(self, address: Any) -> None:
        error = self.connect_ex(address)
        if error == errno.EINPROGRESS:
            self._wait(WRITABLE)
            error = self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    def makefile(self, *args: Any, **kwargs: Any) -> Any:
        """Waits for data first: a request that has no answer yet needs no buffer."""
        self._wait(READABLE)
        return super().makefile(*args, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        received = self._patiently(READABLE, super().recv_into, *args, **kwargs)
        self._received += received
        if self._received > MAX_RECEIVED:
            raise Flood(f"more than {MAX_RECEIVED // 2**20} MiB came, and no whole answer")
        return received

    def send(self, *args: Any, **kwargs: Any) -> int:
        return self._patiently(WRITABLE, super().send, *args, **kwargs)

    def sendall(self, data: Any, flags: int = 0) -> None:
        with memoryview(data).cast("B") as view:
            sent = 0
            while sent < len(view):
                sent += self.send(view[sent:], flags)

    def _patiently(self, event: int, do: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        let_others_run()
        while True:
            if time.monotonic() >= self._deadline:
                raise TimeoutError("timed out")
            try:
                return do(*args, **kwargs)
            except ssl.SSLWantReadError:
                self._wait(READABLE)
            except ssl.SSLWantWriteError:
                self._wait(WRITABLE)
            except BlockingIOError:
                self._wait(event)

    def _wait(self, event: int) -> None:
        if not wait_fd(self.fileno(), event, self._deadline - time.monotonic()):
            raise TimeoutError("timed out")


class TlsSocket(PlainSocket, ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        self._patiently(READABLE, super().do_handshake, block)


def dial(address: str, port: int, timeout: float) -> PlainSocket:
    sock = PlainSocket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        for option in SOCKET_OPTIONS:
            sock.setsockopt(*option)
        sock.settimeout(timeout)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock
