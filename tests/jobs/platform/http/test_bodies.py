"""An answer's body: how large it may be, how it may end, what becomes of it as text."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from jobs.platform.http.exchange import BODY_LIMIT
from tests.support import hostile_endpoint
from tests.support.hostile_endpoint import Adversary, allow, answer, ask, is_final, message, says

OK = b"HTTP/1.1 200 OK\r\n"
TOO_LARGE = "the answer is larger than 4 MiB"


def body_of(settings, manner, **fields) -> str:
    with Adversary(manner) as server:
        allow(settings, server)
        outcome = ask(server.url, **fields)
    assert outcome.response is not None, outcome.error
    return outcome.response["body"]


def error_of(settings, manner, **fields):
    with Adversary(manner) as server:
        allow(settings, server)
        return ask(server.url, **fields)


def test_an_answer_of_exactly_the_limit_is_read(settings):
    assert len(body_of(settings, answer(b"x" * BODY_LIMIT))) == BODY_LIMIT


def test_a_chunked_answer_is_read(settings):
    manner = says(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert body_of(settings, manner) == "abcde"


def test_an_answer_that_ends_with_its_connection_is_read(settings):
    assert body_of(settings, says(OK + b"\r\nabcde")) == "abcde"


@pytest.mark.parametrize(
    ("packing", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("GZIP", lambda body: gzip.compress(body[:3]) + gzip.compress(body[3:])),
    ],
)
def test_a_packed_answer_is_unpacked(settings, packing, pack):
    assert body_of(settings, answer(pack(b"abcdef"), Content_Encoding=packing)) == "abcdef"


@pytest.mark.parametrize(
    "manner",
    [
        answer(b"x" * (BODY_LIMIT + 1)),
        hostile_endpoint.promises_10_gb,
        hostile_endpoint.chunks_for_ever,
        hostile_endpoint.flows_for_ever,
        hostile_endpoint.gzip_bomb,
    ],
    ids=["one byte more", "promised", "chunks", "flow", "gzip bomb"],
)
def test_an_answer_over_the_limit_ends_the_attempt_for_good(settings, manner):
    outcome = error_of(settings, manner, timeout=60)
    assert message(outcome) == TOO_LARGE
    assert is_final(outcome)


def test_an_answer_over_the_limit_is_never_held_in_memory(settings):
    with Adversary(hostile_endpoint.flows_for_ever) as server:
        allow(settings, server)
        tracemalloc.start()
        outcome = ask(server.url, timeout=60)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert message(outcome) == TOO_LARGE
    assert peak < 5 * BODY_LIMIT


def test_headers_over_the_limit_end_the_attempt_for_good(settings):
    long = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 8000) for number in range(20))
    outcome = error_of(settings, says(OK + long + b"Content-Length: 2\r\n\r\nok"))
    assert message(outcome) == "the answer's headers are larger than 64 KiB"
    assert is_final(outcome)


def test_a_packing_within_a_packing_is_not_unpacked(settings):
    body = gzip.compress(gzip.compress(b"abc"))
    outcome = error_of(settings, answer(body, Content_Encoding="gzip, gzip"))
    assert message(outcome) == "the answer is packed as 'gzip, gzip', which was not asked for"
    assert is_final(outcome)


def test_what_is_not_packed_as_it_says_can_be_tried_again(settings):
    outcome = error_of(settings, answer(b"plain", Content_Encoding="gzip"))
    assert message(outcome) == "the answer cannot be unpacked: it is not gzip"
    assert not is_final(outcome)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (OK + b"Content-Length: 10\r\n\r\nabc", "the answer broke off after 3 bytes"),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nd",
            "the answer broke off after 4 bytes",
        ),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno number\r\n",
            "the answer broke off after 3 bytes",
        ),
        (b"", "the connection was closed before there was an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "what came back is not HTTP: 'SSH-2.0-OpenSSH_9.6\\r\\n'"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "it said 101 and no more"),
    ],
)
def test_an_answer_that_breaks_off_can_be_tried_again(settings, data, sentence):
    outcome = error_of(settings, says(data))
    assert message(outcome) == sentence
    assert not is_final(outcome)


def test_an_endpoint_that_is_not_there_can_be_tried_again(settings):
    with Adversary(answer()) as server:
        allow(settings, server)
    outcome = ask(server.url)
    assert message(outcome) == f"no connection to {server.netloc}: Connection refused"
    assert not is_final(outcome)


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("é".encode(), "application/json", "é"),
        ("é".encode("latin-1"), "text/plain; charset=ISO-8859-1", "é"),
        ("é".encode("utf-16"), 'text/plain; charset="utf-16"', "é"),
        (b"\xef\xbb\xbf{}", "application/json; charset=utf-8", "{}"),
        ("é".encode(), "text/plain; charset=klingon", "é"),
        ("é".encode(), "text/plain; charset=hex", "é"),
        (b"+2AA-", "text/plain; charset=utf-7", "?"),
        (b"Mnchen-3ya", "text/plain; charset=punycode", "Mnchen-3ya"),
        (b"xn--mnchen-3ya", "text/plain; charset=IDNA", "xn--mnchen-3ya"),
        (b"\x89PNG\x00\xff", "image/png", "\ufffdPNG\ufffd\ufffd"),
        (b"a\x00b", "text/plain", "a\ufffdb"),
    ],
)
def test_a_body_becomes_text_that_a_database_can_hold(settings, body, content_type, text):
    assert body_of(settings, answer(body, Content_Type=content_type)) == text


def test_a_charset_after_a_long_way_of_semicolons_is_not_looked_for(settings):
    """To look for it would hold all requests of the gateway up for seconds."""
    long = f'text/plain; a="{";" * 60_000}"; charset=latin-1'
    assert body_of(settings, answer("é".encode(), Content_Type=long)) == "é"


def test_an_answer_of_a_hundred_thousand_packed_members_is_unpacked(settings):
    """The work grows with its length and not with the square of it, or no other request would be
    answered for a quarter of a minute."""
    packed = gzip.compress(b"") * 100_000 + gzip.compress(b"abc")
    assert body_of(settings, answer(packed, Content_Encoding="gzip")) == "abc"


def test_a_header_becomes_text_that_a_database_can_hold(settings):
    with Adversary(answer(b"ok", X_Odd="a\0b\xe9", Retry_After="1\0")) as server:
        allow(settings, server)
        outcome = ask(server.url)
    assert outcome.response is not None
    assert "\0" not in str(outcome)
    assert outcome.response["headers"]["X-Odd"] == "a\ufffdbé"


@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
def test_when_to_try_again_is_read_however_its_header_is_spelled(settings, name):
    with Adversary(answer(b"", 503, **{name: "7"})) as server:
        allow(settings, server)
        assert ask(server.url).head["retry_after"] == "7"


def test_an_answer_to_head_has_no_body_whatever_it_promises(settings):
    with Adversary(says(OK + b"Content-Length: 10000000000\r\n\r\n")) as server:
        allow(settings, server)
        outcome = ask(server.url, method="HEAD", body="")
    assert outcome.response is not None
    assert outcome.response["body"] == ""
