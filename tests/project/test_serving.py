"""The real gunicorn, as deploy/gunicorn.conf.py starts it: slow clients hold no thread of it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project

from melodymaker.serving.arrivals import MAX_HEADERS, Arrival
from tests.support.database import sites_database_url

THREADS = 16  # of all workers
PATIENCE = 60.0
FORM = "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
KIB = 1024


# --- a request on its way in ---


def arrived(data: bytes) -> Arrival:
    """Byte by byte, as the slowest client sends it."""
    arrival = Arrival()
    for byte in data:
        assert not arrival.is_whole
        arrival.add(bytes([byte]))
    return arrival


def test_a_request_is_whole_with_its_headers_or_its_body() -> None:
    assert arrived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_whole
    assert arrived(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc").is_whole
    assert not arrived(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab").is_whole
    assert not arrived(b"GET / HTTP/1.1\r\nHost: x\r\n").is_whole


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n",
        b"POST /%61dmin HTTP/1.1\r\nContent-Length: 65537\r\n\r\n",
        b"POST /admin/ HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999\r\n\r\n",
    ],
)
def test_no_body_is_awaited_that_is_refused_anyway(request_: bytes) -> None:
    arrival = arrived(request_)
    assert (arrival.is_whole, arrival.is_cut) == (True, True)


def test_the_panels_larger_body_is_awaited() -> None:
    for path in (b"/admin/", b"/%61dmin/jobs/"):
        head = b"POST " + path + b" HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n"
        assert not arrived(head).is_whole


def test_headers_without_an_end_are_not_kept() -> None:
    arrival = Arrival(b"GET / HTTP/1.1\r\n" + b"a" * MAX_HEADERS)
    assert (arrival.is_whole, arrival.is_endless) == (True, True)


@pytest.mark.parametrize(
    ("path", "is_file"),
    [
        ("/songs/0198f2/audio", True),
        ("/songs/0198f2/cover?download=1", True),
        ("/songs/0198f2/%61udio", True),
        ("/static/site/site.css", True),
        ("/admin/songs/song/0198f2/audio", True),
        ("/songs/", False),
        ("/songs/cards?song=/songs/x/audio", False),
        ("/", False),
    ],
)
def test_files_have_threads_of_their_own(path: str, is_file: bool) -> None:
    assert Arrival(f"GET {path} HTTP/1.1\r\n\r\n".encode()).is_for_a_file is is_file


# --- the server ---

pytestmark = pytest.mark.processes


class Server:
    """The site behind gunicorn, on a port that the system chose."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        names = ("PATH", "HOME", "LANG")
        ours = {name: os.environ[name] for name in names if name in os.environ}
        ours |= {"DEBUG": "1", "DATABASE_URL": sites_database_url(), "PORT": str(self.port)}
        self.log = folder / "gunicorn.log"
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "melodymaker.wsgi"],
            cwd=project.BASE_DIR,
            env={**ours, "TMPDIR": str(folder), "MEDIA_ROOT": str(folder), **environment},
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            process_group=0,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.popen.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            try:
                return self.is_well()
            except OSError:
                time.sleep(0.1)

    def is_well(self) -> None:
        assert self.ask("GET", "/health/live")[0] == 200

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(
                method, path, body, headers, encode_chunked="Transfer-Encoding" in headers
            )
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def kill(self) -> None:
        os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any
) -> Iterator[Server]:
    with django_db_blocker.unblock():
        started = Server(tmp_path_factory.mktemp("served"))
    try:
        started.wait()
        yield started
    finally:
        started.kill()


HALVES = {
    "nothing": b"",
    "half a line": b"GET /hea",
    "half the headers": b"GET /health/live HTTP/1.1\r\nHost: x\r\n",
    "half a body": (
        f"POST /accounts/login/ HTTP/1.1\r\n{FORM}Content-Length: 99\r\n\r\nuser".encode()
    ),
    "half of the next request": b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea",
}


@pytest.mark.parametrize("half", HALVES)
def test_many_half_requests_leave_the_others_served(server: Server, half: str) -> None:
    with ExitStack() as opened:
        for _ in range(4 * THREADS):
            opened.enter_context(server.connect()).sendall(HALVES[half])
        for _ in range(4):
            server.is_well()


def test_a_request_that_comes_in_pieces_is_answered(server: Server) -> None:
    head = f"POST /songs/ HTTP/1.1\r\n{FORM}Content-Length: 3\r\nConnection: close\r\n\r\n"
    with server.connect() as slow:
        for piece in (head[:9], head[9:], "a=", "b"):
            slow.sendall(piece.encode())
            server.is_well()
        assert slow.makefile("rb").readline() == b"HTTP/1.1 302 Found\r\n"


def test_requests_on_one_connection_are_answered_in_order(server: Server) -> None:
    one = "GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n"
    three = [("/health/live", ""), ("/nowhere", ""), ("/health/live", "Connection: close\r\n")]
    with server.connect() as line:
        line.sendall("".join(one.format(*each) for each in three).encode())
        said = line.makefile("rb").read().split(b"HTTP/1.1 ")
    assert [status.partition(b" ")[0] for status in said if status] == [b"200", b"404", b"200"]


def test_a_request_in_the_charset_of_no_text_is_400(server: Server) -> None:
    for charset in ("hex", "undefined", "latin-1"):
        said = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
        for method, body in (("GET", None), ("POST", b"username=a")):
            status, page = server.ask(method, "/accounts/login/?next=/", body, **said)
            is_usable = charset == "latin-1" and method == "GET"
            assert status == (200 if is_usable else 400)
            assert is_usable or "“utf-8” alone is read here" in page
    assert "Traceback" not in server.log.read_text()


def test_a_client_that_waits_to_be_told_is_told(server: Server) -> None:
    head = f"POST /songs/ HTTP/1.1\r\n{FORM}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with server.connect() as line:
        line.sendall(head.encode())
        said = line.makefile("rb")
        assert said.readline() == b"HTTP/1.1 100 Continue\r\n"
        line.sendall(b"a=b")
        assert b"HTTP/1.1 302 Found\r\n" in [said.readline() for _ in range(6)]


def test_clients_that_do_not_close_leave_the_others_served(server: Server) -> None:
    """Their answers have ended; the server waits for none of them to close."""
    with ExitStack() as opened:
        for _ in range(4 * THREADS):
            line = opened.enter_context(server.connect())
            line.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        before = time.monotonic()
        for _ in range(4):
            server.is_well()
        assert time.monotonic() - before < PATIENCE / 2


# --- bodies ---


def zeros(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"0" * (64 * KIB)


def test_a_body_of_20_gb_is_413_before_it_is_sent(server: Server) -> None:
    head = f"POST /accounts/login/ HTTP/1.1\r\n{FORM}Content-Length: {20 * KIB**3}\r\n\r\n"
    with server.connect() as line:
        line.sendall(head.encode() + b"username=" + b"a" * KIB)
        assert b" 413 " in line.makefile("rb").readline()
    server.is_well()


def test_an_endless_body_in_chunks_is_413(server: Server) -> None:
    with server.connect() as line:
        line.sendall(f"POST /songs/ HTTP/1.1\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n".encode())
        for piece in zeros(4):
            line.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        assert b" 413 " in line.makefile("rb").readline()
    server.is_well()


def test_a_small_body_in_chunks_is_read(server: Server) -> None:
    headers = {"Transfer-Encoding": "chunked", "Accept": "application/json"}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    status, said = server.ask("POST", "/songs/", iter([b"a=%00"]), **headers)
    assert status == 400  # the NUL was found, so the body was read
    assert "NUL" in json.loads(said)["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"ZZ\r\nabc\r\n0\r\n\r\n",
        b"-1\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcde\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nnot a header\r\n\r\n",
    ],
)
def test_chunks_that_cannot_be_told_apart_are_400_and_end_the_connection(
    server: Server, body: bytes
) -> None:
    head = f"POST /songs/ HTTP/1.1\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n".encode()
    before = len(server.log.read_text())
    with server.connect() as line:
        line.sendall(head + body + b"GET /health/live HTTP/1.1\r\n\r\n")
        answers = line.makefile("rb").read()
    assert b" 400 " in answers.partition(b"\r\n")[0]
    assert answers.count(b"HTTP/1.1 ") == 1
    assert "Traceback" not in server.log.read_text()[before:]
    server.is_well()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("GET /" + "a" * 5000 + " HTTP/1.1\r\n\r\n", b" 414 "),
        ("GET / HTTP/1.1\r\n" + "X: y\r\n" * 100 + "\r\n", b" 431 "),
        ("GET / HTTP/1.1\r\nX: " + "y" * 9000 + "\r\n\r\n", b" 431 "),
        ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", b" 400 "),
        ("GET / HTTP/1.1\r\nX: " + "y" * 40_000, b" 431 "),
    ],
)
def test_lines_and_headers_have_limits(server: Server, lines: str, status: bytes) -> None:
    with server.connect() as line:
        line.sendall(lines.encode())
        assert status in line.makefile("rb").readline()


# --- slow readers ---


def test_slow_listeners_of_files_leave_the_pages_served(server: Server) -> None:
    """They ask for a large file and read nothing of it."""
    large = project.BASE_DIR / "templates" / "static"
    assert large.is_dir()
    with ExitStack() as opened:
        for _ in range(2 * THREADS):
            line = socket.socket()
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", server.port))
            opened.enter_context(line).sendall(
                b"GET /static/site/site.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
        for _ in range(4):
            server.is_well()


@pytest.mark.parametrize(
    "link",
    ["/accounts/password/reset/key/{}/", "/accounts/confirm-email/{}/"],
)
def test_a_link_of_a_mail_is_in_no_line_of_the_log(server: Server, link: str) -> None:
    """The request is refused, and its link is good afterwards."""
    secret = "3-d6fexk-0123456789abcdef:1wPq:x_Y-z"
    assert server.ask("POST", link.format(secret))[0] == 403
    logged = server.log.read_text()
    assert secret not in logged
    assert link.format("[hidden]") in logged


def test_a_request_for_another_host_is_a_warning_in_one_line_of_the_log(server: Server) -> None:
    """Programs that try each address of the internet wrote a traceback with each request."""
    before = len(server.log.read_text())
    ask = b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    with server.connect() as line:
        line.sendall(ask)
        assert b" 400 " in line.makefile("rb").read()
    logged = server.log.read_text()[before:]  # a busy server also says how many requests wait
    (told,) = (one for one in logged.splitlines() if "evil.example" in one)
    assert "WARNING django.security.DisallowedHost: Invalid HTTP_HOST header: 'evil" in told
    assert "Traceback" not in logged


@pytest.mark.parametrize("path", ["/", "/no/such/page", "/discover/feed.xml", "/health/ready"])
def test_a_head_has_the_length_of_the_page_and_no_line_in_the_log(
    server: Server, path: str
) -> None:
    with server.connect() as line:
        line.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        line.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        first, _, rest = line.makefile("rb").read().partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", first)
    assert length
    assert int(length[1]) > 0
    assert rest.startswith(b"HTTP/1.1 200 OK")
    assert "body bytes" not in server.log.read_text()
