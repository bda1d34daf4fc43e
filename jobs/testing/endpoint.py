"""For tests: a local HTTP endpoint that remembers what it was asked and answers as it is told.

    with Endpoint().open() as endpoint:

        endpoint.answers(Answer(500), Answer(body={"s3_key": "a"}))

Without an answer left it says 200 and `{}`. Each answer leaves in one packet.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jobs.testing.arguments import check_answer


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = field(default_factory=dict)  # JSON, or a text as it is
    headers: dict[str, str] = field(default_factory=dict)
    breaks_off: bool = False  # after half of the body
    hangs: bool = False  # until the endpoint is closed


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


class Endpoint:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: deque[Answer] = deque()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"

    def answers(self, *answers: Answer) -> None:
        for answer in answers:
            check_answer(answer, Answer)
        self._answers.extend(answers)

    @contextmanager
    def open(self) -> Iterator[Endpoint]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._closing.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # the whole answer in one packet

            def do_GET(self) -> None:
                endpoint._hear(self)
                endpoint._say(self, endpoint._next())

            do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET

            def log_message(self, *args: Any) -> None:
                """Nothing on the console."""

        return Handler

    def _hear(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        self.asked.append(
            Asked(
                method=request.command,
                path=request.path,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=request.rfile.read(length).decode(),
            )
        )

    def _next(self) -> Answer:
        return self._answers.popleft() if self._answers else Answer()

    def _say(self, request: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.hangs:
            self._closing.wait()
            request.close_connection = True
            return
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        data = body.encode()
        request.send_response(answer.status)
        headers = {"Content-Type": "application/json"} | answer.headers
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command == "HEAD":
            data = b""
        request.wfile.write(data[: len(data) // 2] if answer.breaks_off else data)
        request.wfile.flush()
        request.close_connection = answer.breaks_off
