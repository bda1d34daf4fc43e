"""A local HTTP endpoint that remembers requests and answers as told.

    with Endpoint().open() as endpoint:

        endpoint.answers(Answer(500), Answer(body={"s3_key": "a"}))         # in order, to anything
        endpoint.on("POST", "/charges", Answer(402), Answer(body={"id": 1}))  # and the last again
        endpoint.on("GET", "/charges/*", lambda asked: Answer(body=asked.path))

What `answers` was given goes first. With nothing left it says 200 and `{}`; with routes of which
none fits, 404. Each answer leaves in one packet.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jobs.errors import JobsError
from jobs.lib.error_report import class_path, text_of
from jobs.lib.excerpts import quoted
from jobs.registry.handler_identity import module_of, place_of, place_of_error
from jobs.testing.arguments import check_answer, check_function, check_route


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = field(default_factory=dict)  # JSON, or a text as it is
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds, or until the endpoint closes
    breaks_off: bool = False  # after half of the body
    hangs: bool = False  # until the endpoint closes
    drops: bool = False  # closes the connection without a word
    raw: bytes | None = None  # sent instead of all this, as what is no HTTP


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


Says = Answer | Callable[[Asked], Answer]


@dataclass(frozen=True)
class Route:
    method: str  # "*" for any
    path: str  # a pattern; without a “?” it is for any query
    answers: deque[Says]

    def fits(self, asked: Asked) -> bool:
        path = asked.path if "?" in self.path else asked.path.partition("?")[0]
        return self.method in ("*", asked.method) and fnmatchcase(path, self.path)

    def next(self) -> Says:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


def _check(answers: Iterable[Says], called: str) -> None:
    """What is neither an answer nor a function is refused at once."""
    for answer in answers:
        if callable(answer) and not isinstance(answer, type):
            check_function(answer, called)
        else:
            check_answer(answer, Answer, f"{called}{quoted(answer)})")


def _told(says: Says, asked: Asked) -> Answer:
    """Raises JobsError, with the function's place, for what is no answer."""
    if isinstance(says, Answer):
        return says
    where = f"{asked.method} {asked.path} is answered by {place_of(says)}"
    try:
        answer = says(asked)
    except Exception as error:
        line = place_of_error(error, module_of(says))
        told = f"{class_path(error)}: {text_of(error)}{f' ({line})' if line else ''}"
        raise JobsError(f"{where}, which raises {told}.") from error
    check_answer(answer, Answer, f"{where}, which returns {quoted(answer)}")
    return answer


class Endpoint:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: deque[Says] = deque()
        self._routes: list[Route] = []
        self._wrong: list[JobsError] = []  # of answering functions
        self._turn = threading.Lock()  # one answer at a time
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"

    def answers(self, *answers: Says) -> None:
        """Answer the next requests in order, whatever they ask for."""
        _check(answers, "answers(")
        self._answers.extend(answers)

    def on(self, method: str, path: str, *answers: Says) -> None:
        """Answer requests of a method (“*” for any) and a path in order; the last answer repeats.
        In a path `*` stands for any characters; with a “?” it is for that query alone. The newest
        route goes first. Raises ValueError without an answer, and JobsError for what is no method,
        path or answer.
        """
        check_route(method, path)
        if not answers:
            raise ValueError(
                f"on({method!r}, {path!r}) needs an Answer, or a function that gives one."
            )
        _check(answers, f"on({method!r}, {path!r}, ")
        self._routes.insert(0, Route(method.upper(), path, deque(answers)))

    @contextmanager
    def open(self) -> Iterator[Endpoint]:
        """Serve in the block. At its end JobsError is raised if a function raised, or returned no
        answer: its requests got status 400 and the sentence.
        """
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._closing.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()
        if self._wrong:
            raise self._wrong[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # the whole answer in one packet

            def do_GET(self) -> None:
                asked = endpoint._hear(self)
                endpoint._say(self, endpoint._next(asked))

            do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET

            def log_message(self, *args: Any) -> None:
                """Nothing on the console."""

        return Handler

    def _hear(self, request: BaseHTTPRequestHandler) -> Asked:
        length = int(request.headers.get("Content-Length") or 0)
        asked = Asked(
            method=request.command,
            path=request.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.rfile.read(length).decode(),
        )
        self.asked.append(asked)
        return asked

    def _next(self, asked: Asked) -> Answer:
        with self._turn:
            try:
                return self._answer(asked)
            except JobsError as wrong:
                self._wrong.append(wrong)
                return Answer(400, str(wrong), {"Content-Type": "text/plain; charset=utf-8"})

    def _answer(self, asked: Asked) -> Answer:
        if self._answers:
            return _told(self._answers.popleft(), asked)
        route = next((route for route in self._routes if route.fits(asked)), None)
        if route is not None:
            return _told(route.next(), asked)
        known = [f"{route.method} {route.path}" for route in self._routes]
        told = {"no_route": f"{asked.method} {asked.path}", "routes": known}
        return Answer(404, told) if known else Answer()

    def _say(self, request: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.hangs or answer.delay:
            self._closing.wait(None if answer.hangs else answer.delay)
        if answer.hangs or answer.drops or answer.raw is not None:
            request.wfile.write(answer.raw or b"")
            request.wfile.flush()
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
