"""The studio's HTTP server: keys, orders, and redirects for slow ones as Modal sends them.

1. POST to a path of ORDERS orders a song. It needs Modal-Key and Modal-Secret.
2. An order that takes longer than `redirect_after` seconds is answered with 303 to the same URL
   with the call's id. A GET there waits as long again, and may be repeated.
3. An answer leaves in one packet, and the connection stays open.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from songs.studio.calls import Call, Calls
from songs.studio.contract import CALL_PARAMETER, ORDERS, Refused, Reply, answer, read, refusal

logger = logging.getLogger("studio")
LARGEST_BODY = 64 * 1024
MAX_KEY = 255


@dataclass(frozen=True)
class Door:
    """The keys that are accepted, and how long a caller waits before a redirect (seconds)."""

    key: str
    secret: str
    redirect_after: float = 150.0

    def admits(self, key: str, secret: str) -> bool:
        right_key = compare_digest(key.encode(), self.key.encode())
        right_secret = compare_digest(secret.encode(), self.secret.encode())
        return right_key and right_secret and bool(self.key and self.secret)


@dataclass
class Studio:
    """The endpoint: its door and its calls."""

    door: Door
    calls: Calls = field(default_factory=lambda: Calls(0.0))


class StudioServer(ThreadingHTTPServer):
    """Listen until `shutdown()`. A request's thread does not keep the process alive."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], studio: Studio) -> None:
        self.studio = studio
        super().__init__(address, Handler)

    def server_close(self) -> None:
        super().server_close()
        self.studio.calls.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("connection from %s broke off", client_address, exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: StudioServer
    protocol_version = "HTTP/1.1"
    server_version = "studio"
    sys_version = ""
    timeout = 75
    wbufsize = -1  # buffered, so that headers and body leave in one packet
    disable_nagle_algorithm = True
    error_content_type = "application/json"
    error_message_format = '{"detail": "HTTP error %(code)d"}'

    def do_POST(self) -> None:
        self._serve("POST")

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def do_OPTIONS(self) -> None:
        self._serve("OPTIONS")

    def _serve(self, method: str) -> None:
        began = time.monotonic()
        body = self._body()
        reply = body if isinstance(body, Reply) else self._answer(method, body)
        self._send(reply, with_body=method != "HEAD")
        place = self.path.partition("?")[0][:120]
        logger.info("%s %s %d %.1fs", method, place, reply.status, time.monotonic() - began)

    def _answer(self, method: str, body: bytes) -> Reply:
        path, _, query = self.path.partition("?")
        call_ids = parse_qs(query).get(CALL_PARAMETER)
        if path == "/health":
            return (
                answer(200, {"status": "ok"}) if method in ("GET", "HEAD") else _only("GET, HEAD")
            )
        if path not in ORDERS:
            return refusal(404, "Not Found")
        if method != "POST" and not (method == "GET" and call_ids):
            return _only("POST")
        if not self._may_enter():
            return refusal(
                401, "modal-http: missing or invalid credentials for proxy authorization"
            )
        if method == "GET" and call_ids:
            return self._resumed(path, call_ids[0])
        return self._ordered(path, body)

    def _may_enter(self) -> bool:
        return self.server.studio.door.admits(
            self._header("Modal-Key"), self._header("Modal-Secret")
        )

    def _ordered(self, path: str, body: bytes) -> Reply:
        try:
            order = read(body, self._header("Content-Type"), path)
        except Refused as refused:
            return refused.reply
        key = self._header("Idempotency-Key")
        if len(key) > MAX_KEY:
            return refusal(400, f"Idempotency-Key: at most {MAX_KEY} characters, got {len(key)}")
        return self._waited(path, self.server.studio.calls.place(order, key))

    def _resumed(self, path: str, call_id: str) -> Reply:
        call = self.server.studio.calls.find(call_id)
        if call is None:
            return refusal(404, "modal-http: no such function call, or its result has expired")
        return self._waited(path, call)

    def _waited(self, path: str, call: Call) -> Reply:
        reply = call.wait(self.server.studio.door.redirect_after)
        if reply is not None:
            return reply
        host = self._header("Host")
        origin = f"http://{host}" if host else ""
        location = f"{origin}{path}?{CALL_PARAMETER}={call.id}"
        return answer(303, {"detail": "not ready yet: follow Location"}, (("Location", location),))

    def _body(self) -> bytes | Reply:
        """The body, or why it was not read; the connection cannot be used again then."""
        if "Transfer-Encoding" in self.headers:
            return self._hang_up(411, "Length Required: send Content-Length, not a chunked body")
        declared = self._header("Content-Length") or "0"
        if not (declared.isascii() and declared.isdigit()):
            return self._hang_up(400, "Content-Length must be a whole number")
        if len(declared) > 12 or int(declared) > LARGEST_BODY:
            return self._hang_up(413, f"Content Too Large: at most {LARGEST_BODY} bytes")
        return self.rfile.read(int(declared))

    def _hang_up(self, status: int, detail: str) -> Reply:
        self.close_connection = True
        return refusal(status, detail, (("Connection", "close"),))

    def _send(self, reply: Reply, *, with_body: bool) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(reply.body)
        self.wfile.flush()

    def _header(self, name: str) -> str:
        return self.headers.get(name, "").strip()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: `_serve` logs each request."""

    def log_message(self, format: str, *args: Any) -> None:
        logger.warning(format, *args)


def _only(methods: str) -> Reply:
    return refusal(405, "Method Not Allowed", (("Allow", methods),))
