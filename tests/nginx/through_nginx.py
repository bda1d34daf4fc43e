"""The site behind nginx, as deploy/nginx.conf says it. `make test-nginx` runs this file."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as project
from django.test import Client

from songs.models import User
from tests.nginx.server import Nginx
from tests.project.test_serving import Server
from tests.support.cast import PASSWORD, a_song, listener

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]
MANY, MIB = 64, 1024 * 1024
TLS = ssl._create_unverified_context()  # the certificate of the tests
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Referer": "https://localhost/"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def nginx(transactional_db: None, folder: Path) -> Iterator[Nginx]:
    said = {"BEHIND_PROXY": "1", "PROXIES": "1", "HTTPS": "1", "LIMITS": "sign-ups-network=1"}
    gunicorn = Server(folder, **said)
    before = Nginx(folder, gunicorn.port)
    try:
        gunicorn.wait()
        before.wait()
        yield before
    finally:
        before.end()
        gunicorn.kill()


def connect(nginx: Nginx) -> HTTPSConnection:
    return HTTPSConnection("localhost", nginx.https, timeout=30, context=TLS)


def line_to(nginx: Nginx) -> ssl.SSLSocket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", nginx.https))
    raw.settimeout(30)
    return TLS.wrap_socket(raw)


def ask(nginx: Nginx, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """The status, the headers and the body."""
    connection = connect(nginx)
    try:
        connection.request(method, path, body, {"Host": "localhost", **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def sign_up(nginx: Nginx, name: str, **headers: str) -> int:
    _, said, page = ask(nginx, "GET", "/accounts/signup/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    cookie = said["Set-Cookie"].partition(";")[0]
    form = {"username": name, "email": f"{name}@example.org"}
    form |= {"password1": PASSWORD, "password2": PASSWORD}
    body = urlencode(form | {"csrfmiddlewaretoken": token[1].decode()})
    status, _, _ = ask(nginx, "POST", "/accounts/signup/", body, **FORM, Cookie=cookie, **headers)
    return int(status)


def is_served(nginx: Nginx) -> bool:
    return all(ask(nginx, "GET", "/accounts/login/")[0] == 200 for _ in range(4))


def test_plain_http_leads_to_https(nginx: Nginx) -> None:
    connection = HTTPConnection("127.0.0.1", nginx.http, timeout=30)
    connection.request("GET", "/songs/?page=2", headers={"Host": "localhost"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, "https://localhost/songs/?page=2")


def test_the_site_knows_that_it_is_asked_by_https(nginx: Nginx) -> None:
    status, headers, _ = ask(nginx, "GET", "/accounts/login/")
    assert status == 200
    assert "max-age=31536000" in headers["Strict-Transport-Security"]
    assert "Secure" in headers["Set-Cookie"]
    assert "nginx/" not in headers["Server"]


def test_what_a_client_writes_about_its_address_is_not_believed(nginx: Nginx) -> None:
    assert sign_up(nginx, "first", **{"X-Forwarded-For": "198.51.100.1"}) == 302
    assert sign_up(nginx, "second", **{"X-Forwarded-For": "198.51.100.2"}) == 429
    assert User.objects.count() == 1


def test_a_body_of_20_gb_is_413_and_nothing_is_written(nginx: Nginx) -> None:
    for path in ("/accounts/login/", "/admin/login/"):
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {20 * 1024 * MIB}\r\n\r\n"
        )
        with line_to(nginx) as line:
            line.sendall(head.encode() + b"0" * 1024)
            assert b" 413 " in line.makefile("rb").readline()
    assert nginx.written() == []


def test_bodies_have_the_sites_limits(nginx: Nginx) -> None:
    for path, size, status in [
        ("/accounts/login/", 64 * 1024 + 1, 413),
        ("/accounts/login/", 64 * 1024, 403),  # without the token
        ("/admin/login/", MIB + 1, 413),
        ("/admin/login/", MIB, 403),
    ]:
        assert ask(nginx, "POST", path, b"a" * size, **FORM)[0] == status
    assert nginx.written() == []


def test_a_body_in_chunks_has_them_too(nginx: Nginx) -> None:
    head = "POST /songs/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with line_to(nginx) as line:
        line.sendall(head.encode() + b"20000\r\n" + b"0" * 0x20000)
        assert b" 413 " in line.makefile("rb").readline()


@pytest.mark.parametrize("path", ["/songs/%00", "/songs/?page=%00"])
def test_a_nul_is_400(nginx: Nginx, path: str) -> None:
    assert ask(nginx, "GET", path)[0] == 400


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET /acc",
        b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nuser",
    ],
)
def test_half_requests_leave_the_others_served(nginx: Nginx, half: bytes) -> None:
    with ExitStack() as opened:
        for _ in range(MANY):
            opened.enter_context(line_to(nginx)).sendall(half)
        assert is_served(nginx)


def test_slow_listeners_leave_the_others_served(nginx: Nginx, folder: Path) -> None:
    """They read nothing of a song of 8 MiB, and there are more of them than threads."""
    user = listener("alice")
    client = Client()
    client.force_login(user)
    cookie = f"{project.SESSION_COOKIE_NAME}={client.cookies[project.SESSION_COOKIE_NAME].value}"
    song = a_song(user)
    (folder / song.s3_key).write_bytes(b"\xff" * (8 * MIB))
    path = f"/songs/{song.pk}/audio"
    with ExitStack() as opened:
        for _ in range(MANY):
            line = opened.enter_context(line_to(nginx))
            line.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
            )
        assert is_served(nginx)
        status, _, body = ask(nginx, "GET", path, Cookie=cookie)
        assert (status, len(body)) == (200, 8 * MIB)
    status, headers, body = ask(nginx, "GET", path, Cookie=cookie, Range="bytes=5-8")
    assert (status, headers["Content-Range"]) == (206, f"bytes 5-8/{8 * MIB}")
    assert body == b"\xff" * 4
