"""A request is refused before it is parsed if its body is too large, and if it holds a NUL."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from melodymaker.screening import Request
from songs.models import Song, User
from tests.support.cast import PASSWORD, olga, wishes
from tests.support.cast import alice as make_alice

pytestmark = pytest.mark.django_db
KIB, MIB = 1024, 1024 * 1024
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def alice() -> User:
    return make_alice()


@pytest.fixture
def alices(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


class Untouched(BytesIO):
    """A body that no code may read."""

    def read(self, *size: Any) -> bytes:
        raise AssertionError("The body was read.")


class Endless(BytesIO):
    """A body in chunks without an end, and how much of it was asked for."""

    given = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0
        self.given += size
        return b"x" * size


def chunked(body: Any, **more: Any) -> dict[str, Any]:
    """A request as gunicorn passes one on that names no length."""
    return {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_LENGTH": "",
        "CONTENT_TYPE": FORM,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        **more,
    }


# --- bodies ---


def test_a_form_up_to_the_limit_is_answered(client: Client) -> None:
    form = f"username={'a' * (64 * KIB - 9)}"
    assert client.post("/accounts/signup/", form, content_type=FORM).status_code == 422


@pytest.mark.parametrize(
    "path", ["/", "/songs/", "/songs/cards", "/accounts/login/", "/accounts/signup/", "/nowhere"]
)
def test_a_body_over_64_kib_is_413_and_stays_unread(client: Client, path: str) -> None:
    meta = {"CONTENT_LENGTH": str(64 * KIB + 1), "wsgi.input": Untouched(), "CONTENT_TYPE": FORM}
    answer = client.post(path, **meta)
    assert answer.status_code == 413
    assert "larger than 64 KiB" in answer.content.decode()
    assert len(answer.content) < 4 * KIB


def test_the_panel_takes_up_to_1_mib(client: Client) -> None:
    form = "username=" + "a" * (64 * KIB)
    assert client.post("/admin/login/", form, content_type=FORM).status_code == 302
    meta = {"CONTENT_LENGTH": str(MIB + 1), "wsgi.input": Untouched(), "CONTENT_TYPE": FORM}
    assert client.post("/admin/login/", **meta).status_code == 413


@pytest.mark.parametrize("stated", ["9" * 5000, "-1", "1e9", "٣"])
def test_a_length_that_is_no_number_is_too_large(client: Client, stated: str) -> None:
    meta = {"CONTENT_LENGTH": stated, "wsgi.input": Untouched(), "CONTENT_TYPE": FORM}
    assert client.post("/songs/", **meta).status_code == 413


def test_no_path_writes_a_line_of_its_own_into_the_log(client: Client, caplog: Any) -> None:
    meta = {"CONTENT_LENGTH": "999999", "wsgi.input": Untouched(), "CONTENT_TYPE": FORM}
    path = "/a%0D%0A2026-01-01 ERROR songs: forged%1B[31m%E2%80%A8"
    assert client.post(path, **meta).status_code == 413
    assert "forged" in caplog.text
    for record in caplog.records:
        assert record.getMessage().isprintable()


def test_a_body_in_chunks_is_read_up_to_the_limit(alices: Client) -> None:
    endless = Endless()
    assert alices.generic("POST", "/songs/", **chunked(endless)).status_code == 413
    assert endless.given == 64 * KIB + 1


def test_a_small_body_in_chunks_is_a_form_like_any_other(alices: Client, alice: User) -> None:
    form = "&".join(f"{name}={value}" for name, value in wishes().items()).encode()
    answer = alices.generic("POST", "/songs/", **chunked(BytesIO(form)))
    assert answer.status_code == 303
    assert Song.objects.owned_by(alice).count() == 1


def test_a_body_in_chunks_without_a_server_that_ends_it_is_411(client: Client) -> None:
    meta = chunked(Untouched()) | {"wsgi.input_terminated": False}
    assert client.generic("POST", "/songs/", **meta).status_code == 411


def test_a_file_is_never_written(client: Client, tmp_path: Path, monkeypatch: Any) -> None:
    """Neither one over the limit nor one that the limit would let through."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    for path, size in (("/accounts/signup/", 60 * KIB), ("/admin/login/", 900 * KIB)):
        file = SimpleUploadedFile("f", b"x" * size)
        answer = client.post(path, {"username": "a", "f": file})
        assert answer.status_code in (200, 302, 422)


def test_scripts_and_fragments_are_told_in_a_line(client: Client) -> None:
    form = "a" * (64 * KIB + 1)
    wants = {"headers": {"Accept": "application/json"}}
    answer = client.post("/songs/", form, content_type=FORM, **wants)
    assert "larger than 64 KiB" in answer.json()["error"]
    answer = client.post("/songs/", form, content_type=FORM, headers={"HX-Request": "true"})
    assert answer["Content-Type"].startswith("text/plain")


# --- letters and parts that are not read ---


CHARSETS = ["latin-1", "utf-16", "hex", "rot13", "undefined", "utf8", "idna"]


@pytest.fixture
def served(monkeypatch: Any) -> Client:
    """A browser before a server whose requests are those of wsgi.py."""
    monkeypatch.setattr("django.test.client.WSGIRequest", Request)
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("charset", CHARSETS)
def test_a_form_in_another_charset_is_400_with_a_sentence_and_a_line_in_the_log(
    served: Client, settings: Any, caplog: Any, charset: str, debug: bool
) -> None:
    settings.DEBUG = debug
    for path in ("/accounts/signup/", "/songs/?a=b", "/admin/login/", "/no-such-page"):
        caplog.clear()
        answer = served.generic("POST", path, b"username=a", f"{FORM}; charset={charset}")
        assert answer.status_code == 400
        assert f"is “{charset}”, and “utf-8” alone is read here" in answer.content.decode()
        assert [(line.name, line.exc_info) for line in caplog.records] == [("django.request", None)]


@pytest.mark.parametrize("charset", ["hex", "rot13", "undefined"])
def test_what_is_asked_for_in_the_charset_of_no_text_is_400(served: Client, charset: str) -> None:
    kind = f"text/plain; charset={charset}"
    answer = served.get("/discover/?order=new", CONTENT_TYPE=kind)
    assert answer.status_code == 400
    parts = f"multipart/form-data; boundary=b; charset={charset}"
    body = b'--b\r\nContent-Disposition: form-data; name="username"\r\n\r\na\r\n--b--\r\n'
    assert served.generic("POST", "/accounts/signup/", body, parts).status_code == 400


@pytest.mark.parametrize("charset", ["punycode", "latin-1", "utf-16"])
def test_a_form_of_parts_in_another_charset_is_400_and_stays_unread(
    served: Client, charset: str
) -> None:
    """Strangers could keep the site busy for a minute with each form in “punycode”."""
    for path in ("/accounts/signup/", "/admin/login/"):
        kind = f"multipart/form-data; boundary=b; charset={charset}"
        answer = served.post(
            path, content_type=kind, **{"wsgi.input": Untouched(), "CONTENT_LENGTH": "9"}
        )
        assert answer.status_code == 400
        assert f"is “{charset}”, and “utf-8” alone is read here" in answer.content.decode()


@pytest.mark.parametrize("charset", ["no-such-charset", "*=utf-8''%00"])
def test_an_unknown_charset_is_none(served: Client, charset: str) -> None:
    said = f"{FORM}; charset{charset}" if charset[0] == "*" else f"{FORM}; charset={charset}"
    answer = served.generic("POST", "/accounts/signup/", b"username=a", said)
    assert answer.status_code == 422


def test_a_form_of_parts_without_a_boundary_is_400(client: Client, caplog: Any) -> None:
    answer = client.post("/accounts/signup/", b"x", content_type="multipart/form-data")
    assert answer.status_code == 400
    assert "cannot be read" in answer.content.decode()
    assert [line.exc_info for line in caplog.records] == [None]


def test_a_form_in_utf_8_that_says_so_is_read(client: Client) -> None:
    answer = client.post("/accounts/signup/", "a=b", content_type=f"{FORM}; charset=UTF-8")
    assert answer.status_code == 422


# --- more fields than are read ---

FIELDS = "&".join(["a=1"] * 1001)
FILES = "".join(
    f'--b\r\nContent-Disposition: form-data; name="f"; filename="{number}"\r\n\r\n\r\n'
    for number in range(101)
)
TOO_MANY: dict[str, dict[str, Any]] = {
    "in the query": {"path": f"/discover/?{FIELDS}"},
    "in a query of other letters": {"path": f"/discover/?%20={FIELDS}"},
    "in the panel's query": {"path": f"/admin/jobs/run/?{FIELDS}"},
    "in a form": {"data": FIELDS, "content_type": FORM},
    "in the panel's form": {"path": "/admin/login/", "data": FIELDS, "content_type": FORM},
    "files": {"data": FILES + "--b--\r\n", "content_type": "multipart/form-data; boundary=b"},
}


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("where", TOO_MANY)
def test_too_many_fields_are_400_with_a_sentence_and_a_line_in_the_log(
    client: Client, settings: Any, caplog: Any, where: str, debug: bool
) -> None:
    """The page with the traceback took half a minute to make of a query."""
    settings.DEBUG = debug
    client.raise_request_exception = False
    asked = {"path": "/accounts/signup/", "headers": {"Accept": "application/json"}}
    asked |= TOO_MANY[where]
    answer = client.post(**asked) if "data" in asked else client.get(**asked)
    assert answer.status_code == 400
    assert "At most 1,000 are read" in answer.json()["error"]
    assert [(line.name, line.exc_info) for line in caplog.records] == [("django.request", None)]


@pytest.mark.parametrize("path", ["/", "/songs/", "/no-such-page"])
def test_a_program_that_names_another_host_is_told_in_a_sentence(client: Client, path: str) -> None:
    wants = {"Accept": "application/json", "Host": "evil.example"}
    answer = client.get(path, headers=wants)
    assert answer.status_code == 400
    assert "names another host" in answer.json()["error"]
    page = client.get(path, headers={"Host": "evil.example"})
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")


# --- NUL ---

NULS: dict[str, dict[str, Any]] = {
    "in the path": {"path": "/songs/%00"},
    "in the panel's path": {"path": "/admin/jobs/registeredfunction/%00/change/"},
    "in the path of a file": {"path": "/static/site/%00.css"},
    "in the query": {"path": "/songs/?page=%00"},
    "in a name of the query": {"path": "/songs/?a%00b=1"},
    "in the panel's query": {"path": "/admin/jobs/run/?fn_id=%00"},
    "in a header": {"headers": {"X-Any": "a\0b"}},
    "in a cookie": {"headers": {"Cookie": 'sessionid="\\000aaaaaaaa"'}},
    "in a cookie, as it is": {"headers": {"Cookie": "sessionid=a\0b"}},
    "in a form": {"data": "username=a%00b", "content_type": FORM},
    "in a form, as it is": {"data": "username=a\0b", "content_type": FORM},
    "in a name of a form": {"data": "user%00=a", "content_type": FORM},
    "in a form of parts": {"data": {"username": "a\0b"}},
    "in JSON": {"data": b'{"a": "\0"}', "content_type": "application/json"},
}


@pytest.mark.parametrize("where", NULS)
def test_a_nul_is_400(client: Client, where: str) -> None:
    asked = {"path": "/accounts/signup/"} | NULS[where]
    answer = (client.post if "data" in asked else client.get)(**asked)
    assert answer.status_code == 400
    assert "NUL character" in answer.content.decode()


def test_a_nul_behind_base64_is_400(client: Client) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="username"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\nYQBi\r\n--b--\r\n"
    )
    answer = client.post("/accounts/signup/", body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 400


def test_an_operators_nul_is_400_too() -> None:
    client = Client()
    client.force_login(olga())
    for path in ("jobs/run/?status__exact=%00", "jobs/run/%00/change/", "songs/song/?q=%00"):
        assert client.get(f"/admin/{path}").status_code == 400


def test_percent_zeros_that_are_no_nul_are_answered(client: Client) -> None:
    assert client.get("/songs/?q=%2500", follow=True).status_code == 200
    form = {"username": "100%00", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/signup/", form).status_code == 422  # no such name is allowed
