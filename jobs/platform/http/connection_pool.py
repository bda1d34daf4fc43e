"""Connections that keep to the clock and go only where they may.

1. A request has one budget of time, connecting and reading included (`sockets` keep to it).
2. A name is resolved, its addresses are vetted and one of them is dialled, in one place. Nothing
   resolves it a second time, so that it does not matter what it would resolve to then. TLS still
   asks for, and verifies, the name.
3. Connections are kept and shared by all requests of one process; cookies, proxies and passwords
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

import urllib3
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connectionpool import HTTPConnectionPool

from jobs import conf
from jobs.platform.http import address_policy
from jobs.platform.http.connection import PlainPool, Route, TlsPool
from jobs.platform.http.deadline_socket import TlsSocket
from jobs.platform.http.greenlet_loop import result_of

SHARED = 1.0  # seconds for which others may join in a look-up of the same name
HOSTS = 100  # whose connections are kept
HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "MelodyMaker-jobs"}
FRAMING = {"content-length", "transfer-encoding"}

Resolve = Callable[[str, int], list[str]]


class Adapter(HTTPAdapter):
    """What requests sends with, over connections of this module.

    Whom TLS believes is said by `tls` alone; there are no retries, and no cookies are looked at.
    """

    def __init__(self, route: Route, tls: ssl.SSLContext) -> None:
        self._route = route
        self._tls = tls
        super().__init__(HOSTS, conf.gateway_per_host(), max_retries=urllib3.Retry(False))

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        pools = urllib3.PoolManager(
            connections, maxsize=maxsize, block=block, ssl_context=self._tls, **pool_kwargs
        )
        pools.pool_classes_by_scheme = {
            "http": partial(PlainPool, route=self._route),  # type: ignore[dict-item]
            "https": partial(TlsPool, route=self._route),  # type: ignore[dict-item]
        }
        self.poolmanager = pools

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: requests would have its own authorities loaded with each connection."""

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """By the origin alone: there are no proxies, and no certificates of ours."""
        origin = address_policy.origin_of(request.url or "")
        required = {"cert_reqs": "CERT_REQUIRED"} if origin.scheme == "https" else None
        return self.poolmanager.connection_from_host(
            origin.host, origin.port, origin.scheme, pool_kwargs=required
        )

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """What stands behind the host: there are no proxies, which would be told it as well."""
        return request.path_url

    def build_response(self, req: PreparedRequest, resp: urllib3.BaseHTTPResponse) -> Response:
        response = Response()
        response.request, response.url = req, req.url or ""
        response.status_code, response.reason = resp.status, resp.reason or ""
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        return response


class Transport:
    """The pools of connections of one process; `open` may be called by any thread."""

    def __init__(self, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`resolve(name, port)` gives a name's addresses; `tls` whose certificates are believed."""
        self._resolve = resolve or look_up
        self._looked_up: dict[tuple[str, int], tuple[float, Future[list[str]]]] = {}
        self._lock = threading.Lock()
        tls = tls or trusted()
        tls.sslsocket_class = TlsSocket
        self._adapter = Adapter(self._route, tls)

    def open(
        self, method: str, url: str, headers: dict[str, str], body: bytes, timeout: float
    ) -> Response:
        """Send a request and read the answer's head; all of it, and of the body, in `timeout` s.

        The adapter sends, not a Session: that would read a redirect's whole body, and has cookies,
        proxies and passwords. Raises Refused, Unreachable, requests' RequestException or urllib3's
        HTTPError.
        """
        return self._adapter.send(
            _prepared(method, url, headers, body),
            stream=True,
            timeout=urllib3.Timeout(total=timeout),  # type: ignore[arg-type]
        )

    def _route(self, host: str, port: int, timeout: float) -> list[str]:
        """The addresses that may be dialled for a host."""
        address_policy.permit(host, port)
        if address_policy.is_literal(host):
            return address_policy.vet(host, port, [host])
        found = result_of(self._found(host, port), timeout)
        return address_policy.vet(host, port, found)

    def _found(self, host: str, port: int) -> Future[list[str]]:
        """A name's addresses. Who asks while somebody else's look-up is young shares it, so that a
        thousand requests to one host are not a thousand look-ups."""
        now = time.monotonic()
        with self._lock:
            begun, found = self._looked_up.get((host, port), (0.0, None))
            if found is None or found.done() or now - begun > SHARED:
                found = self._looking_up(host, port)
                self._looked_up[host, port] = now, found
        return found

    def _looking_up(self, host: str, port: int) -> Future[list[str]]:
        """In a thread: the system's resolver knows no deadline. In one of its own, so that one
        that hangs keeps neither other names nor the process's end waiting."""
        found: Future[list[str]] = Future()

        def find() -> None:
            try:
                found.set_result(self._resolve(host, port))
            except Exception as error:
                found.set_exception(error)

        threading.Thread(target=find, name="resolve", daemon=True).start()
        return found


def _prepared(method: str, url: str, headers: dict[str, str], body: bytes) -> PreparedRequest:
    """The URL stays as it was vetted, which `prepare_url` would rewrite; where the body ends is
    said by its length alone."""
    own = {name: v for name, v in headers.items() if name.lower() not in FRAMING}
    prepared = PreparedRequest()
    prepared.prepare_method(method)
    prepared.url = url
    prepared.prepare_headers(HEADERS | own)
    prepared.prepare_body(body, None)
    return prepared


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
    tls = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    tls.load_default_certs()
    return tls


# --- connections ----------------------------------------------------------------------------------
