"""Sockets that keep to the clock.

A socket's timeout is a budget for all that follows, not for each call: whoever sends a byte a
second, in a header or in a chunk, gets no more time than whoever sends nothing.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

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


def dial(address: str, port: int, timeout: float) -> PlainSocket:
    """A connection to an IP address within `timeout` s, which stay its budget."""
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
