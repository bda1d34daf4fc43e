"""A local server that misbehaves, and what a test needs to ask it.

    with Adversary(silent) as server:
        outcome = ask(server.url, timeout=0.5)

Each request is answered by the next of the server's manners, the last one repeats. A manner writes
what it likes to its `Peer`; if it returns True, the connection stays open for another request.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.platform.http.client import perform
from jobs.platform.http.connection_pool import Transport
from jobs.platform.http.exchange import Request, RequestOutcome
from jobs.platform.http.greenlet_loop import GreenletLoop

CERTIFICATES = Path(__file__).parent.parent / "certificates"
DRIP = 0.05  # seconds between two bytes
PATIENCE = 30.0  # seconds after which a test says that something never ends


@dataclass(frozen=True)
class Heard:
    """A request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Peer:
    """The server's end of a connection."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self._sock = sock
        self._closing = closing
        self._lines = sock.makefile("rb")
        self.number = 0  # of what it was asked: the same again has the same number

    def hear(self) -> Heard | None:
        start = self._lines.readline()
        if not start:
            return None
        headers = {}
        while line := self._lines.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        method, target, _ = start.decode("latin-1").split(" ", 2)
        return Heard(
            method, target, headers, self._lines.read(int(headers.get("content-length", 0)))
        )

    def say(self, data: bytes) -> None:
        self._sock.sendall(data)

    def drip(self, data: bytes) -> None:
        for byte in data:
            self.say(bytes([byte]))
            if self._closing.wait(DRIP):
                return

    def hold(self) -> None:
        """Say nothing more, and keep the line."""
        self._closing.wait()

    @property
    def is_wanted(self) -> bool:
        return not self._closing.is_set()


Manner = Callable[[Peer], bool | None]


class Adversary:
    """Listens on a port of its own for the length of a block; `heard` is what it was asked."""

    def __init__(self, *manners: Manner, tls: bool = False, backlog: int = 128) -> None:
        self._manners = list(manners)
        self._tls = _server_tls() if tls else None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._socks: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._bodies: dict[bytes, int] = {}
        self._numbers: dict[str, int] = {}
        self.heard: list[Heard] = []
        self.port: int = self._listener.getsockname()[1]
        self.netloc = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.netloc}/make"

    def url_of(self, host: str, scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/make"

    @property
    def connections(self) -> int:
        return len(self._socks)

    def wait_until_all_are_closed(self) -> None:
        """Until it has hung up on every connection that it has accepted."""
        for thread in self._threads[1:]:  # the first one accepts
            thread.join(PATIENCE)

    def __enter__(self) -> Adversary:
        self._start(self._accept)
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        for sock in [self._listener, *self._socks]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._socks.append(sock)
                self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        # What the other side does to a connection is its right, here of all places.
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            if self._tls:
                plain, sock = sock, self._tls.wrap_socket(sock, server_side=True)
                stack.callback(sock.close)
                self._socks[self._socks.index(plain)] = sock
            peer = Peer(sock, self._closing)
            while heard := peer.hear():
                with self._lock:
                    self.heard.append(heard)
                    peer.number = self._number_of(heard)
                    manner = self._manners.pop(0) if self._manners[1:] else self._manners[0]
                if not manner(peer):
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
                    return

    def _number_of(self, heard: Heard) -> int:
        """Of the body, from 0 on; a GET for its result is known by the Idempotency-Key."""
        key = heard.headers.get("idempotency-key", "")
        if heard.body:
            self._numbers[key] = self._bodies.setdefault(heard.body, len(self._bodies))
        return self._numbers.get(key, 0)


def _server_tls() -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATES / "songs.test.pem")
    return tls


# --- manners --------------------------------------------------------------------------------------


def answer(body: bytes = b'{"s3_key": "song.mp3"}', status: int = 200, **headers: str) -> Manner:
    """A proper answer, and the connection kept."""

    def manner(peer: Peer) -> bool:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        peer.say("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return True

    return manner


def redirect(location: str, status: int = 303) -> Manner:
    return answer(b"", status, Location=location)


def says(data: bytes) -> Manner:
    """These very bytes, then the connection closed."""
    return lambda peer: peer.say(data)


def silent(peer: Peer) -> None:
    peer.hold()


def drips_headers(peer: Peer) -> None:
    peer.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: a\r\n" * 1000)


def drips_body(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    peer.drip(b"x" * 100_000)


def drips_chunks(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.drip(b"1\r\nx\r\n" * 100_000)


def promises_for_ever(peer: Peer) -> None:
    while peer.is_wanted:
        peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


def promises_without_a_pause(peer: Peer) -> None:
    while peer.is_wanted:
        peer.say(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000)


def single_bytes_without_a_pause(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while peer.is_wanted:
        peer.say(b"1\r\nx\r\n" * 20_000)


def trailers_without_a_pause(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    while peer.is_wanted:
        peer.say(b"X-More: yes\r\n" * 10_000)


def chunks_for_ever(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while peer.is_wanted:
        peer.say(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def flows_for_ever(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
    while peer.is_wanted:
        peer.say(b"x" * 65_536)


def promises_10_gb(peer: Peer) -> None:
    """Announces 10 GB, and sends none of it: whoever waits for it waits for ever."""
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    peer.hold()


def gzip_bomb(peer: Peer) -> bool | None:
    """16 MB of zeros in 16 KB."""
    return answer(gzip.compress(bytes(16_000_000)), Content_Encoding="gzip")(peer)


# --- asking ---------------------------------------------------------------------------------------


def allow(settings: Any, *hosts: str | Adversary, private: tuple[str, ...] = ()) -> None:
    """Set the engine's allow-list: hosts, or servers as 127.0.0.1 and their port."""
    names = [host.netloc if isinstance(host, Adversary) else host for host in hosts]
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": names, "PRIVATE_HOSTS": list(private)}


def ask(
    url: str,
    timeout: float = 10.0,
    transport: Transport | None = None,
    remember: Callable[[str], None] = lambda url: None,
    **fields: Any,
) -> RequestOutcome:
    """What came of a POST from the greenlet loop, as a gateway's do; an error if it does not
    end."""
    defaults: dict[str, Any] = {"method": "POST", "headers": {}, "body": "{}"}
    request = Request(url=url, timeout=timeout, **defaults | fields)
    came: Future[RequestOutcome] = Future()

    def fly() -> None:
        try:
            came.set_result(perform(request, remember, transport))
        except BaseException as error:
            came.set_exception(error)

    _loop.send(fly)
    return came.result(PATIENCE)


_loop: GreenletLoop[Callable[[], None]] = GreenletLoop(lambda fly: fly())


def message(outcome: RequestOutcome) -> str:
    assert outcome.error is not None, outcome.response
    return str(outcome.error["message"])


def is_final(outcome: RequestOutcome) -> bool:
    assert outcome.error is not None, outcome.response
    return bool(outcome.error.get("final"))


def trusting_transport(resolve: Any = None) -> Transport:
    """One that believes the tests' own certificate authority."""
    tls = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
    return Transport(resolve, tls)
