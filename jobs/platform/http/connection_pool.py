"""Connections that keep to the deadline (deadline_socket) and the address policy.

1. One place resolves a name, vets its addresses and dials one: a second look-up could give an
   unvetted one. TLS still verifies the name.
2. A process's requests share connections but no cookies, and use no proxies or passwords of the
   environment.
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
from jobs.platform.http.greenlet_loop import wait_future
from jobs.platform.http.headers import with_defaults

LOOKUP_SHARED_FOR = 1.0  # seconds that requests share a look-up
MAX_HOSTS = 100  # with kept connections

Resolve = Callable[[str, int], list[str]]


class Adapter(HTTPAdapter):
    def __init__(self, route: Route, tls: ssl.SSLContext) -> None:
        self._route = route
        self._tls = tls
        super().__init__(MAX_HOSTS, conf.gateway_per_host(), max_retries=urllib3.Retry(False))

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
        """Nothing: requests would load its authorities for each connection."""

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """Without proxies and client certificates."""
        origin = address_policy.origin_of(request.url or "")
        return self.poolmanager.connection_from_host(origin.host, origin.port, origin.scheme)

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        return request.path_url

    def build_response(self, req: PreparedRequest, resp: urllib3.BaseHTTPResponse) -> Response:
        response = Response()
        response.request, response.url = req, req.url or ""
        response.status_code, response.reason = resp.status, resp.reason or ""
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        return response


class Transport:
    def __init__(self, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._resolve = resolve or look_up
        self._looked_up: dict[tuple[str, int], tuple[float, Future[list[str]]]] = {}
        self._lock = threading.Lock()
        tls = tls or trusted()
        tls.sslsocket_class, tls.check_hostname = TlsSocket, True
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.set_alpn_protocols(["http/1.1"])
        self._adapter = Adapter(self._route, tls)

    def open(
        self, method: str, url: str, headers: dict[str, str], body: bytes, timeout: float
    ) -> Response:
        """Send a request and read the response's head; head and body have `timeout` s. A Session
        would read a redirect's body, too.

        Raises Refused, Unreachable, RequestException (requests) or HTTPError (urllib3).
        """
        return self._adapter.send(
            _prepared(method, url, headers, body),
            stream=True,
            timeout=urllib3.Timeout(total=timeout),  # type: ignore[arg-type]
        )

    def _route(self, host: str, port: int, timeout: float) -> list[str]:
        address_policy.permit(host, port)
        if address_policy.is_literal(host):
            return address_policy.vet(host, port, [host])
        found = wait_future(self._found(host, port), timeout)
        return address_policy.vet(host, port, found)

    def _found(self, host: str, port: int) -> Future[list[str]]:
        now = time.monotonic()
        with self._lock:
            begun, found = self._looked_up.get((host, port), (0.0, None))
            if found is None or found.done() or now - begun > LOOKUP_SHARED_FOR:
                found = self._looking_up(host, port)
                self._looked_up[host, port] = now, found
        return found

    def _looking_up(self, host: str, port: int) -> Future[list[str]]:
        """The system's resolver has no deadline. In its own thread it blocks neither other names
        nor the process's end.
        """
        found: Future[list[str]] = Future()

        def find() -> None:
            try:
                found.set_result(self._resolve(host, port))
            except Exception as error:
                found.set_exception(error)

        threading.Thread(target=find, name="resolve", daemon=True).start()
        return found


def _prepared(method: str, url: str, headers: dict[str, str], body: bytes) -> PreparedRequest:
    """`prepare_url` would rewrite the vetted URL."""
    prepared = PreparedRequest()
    prepared.prepare_method(method)
    prepared.url = url
    prepared.prepare_headers(with_defaults(headers))
    prepared.prepare_body(body, None)
    return prepared


_lock = threading.Lock()
_transport: Transport | None = None


def current() -> Transport:
    global _transport
    with _lock:
        if _transport is None:
            _transport = Transport()
        return _transport


def _forget() -> None:
    """After a fork the connections, maybe the lock, are the parent's."""
    global _lock, _transport
    _lock, _transport = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)


def look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def trusted() -> ssl.SSLContext:
    """Loading the system's authorities and Mozilla's is slower than a handshake."""
    tls = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    tls.load_default_certs()
    return tls
