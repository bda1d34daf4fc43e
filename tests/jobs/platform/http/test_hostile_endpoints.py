"""An endpoint may do what it likes: the attempt says in a sentence what it did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.api import Context, Secret
from jobs.models import Run
from jobs.platform.http.connection_pool import Transport
from jobs.testing import drain, travel
from tests.jobs.fetch.test_step_fetch_errors import errors
from tests.support import hostile_endpoint
from tests.support.functions import go, registered, the_run
from tests.support.hostile_endpoint import Adversary, Peer, allow, answer, redirect, says

pytestmark = pytest.mark.django_db

TIMEOUT = 0.4
NOT_IN_TIME = "no whole answer within 0.4 s"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it"
MANY = 10 * 2**30  # bytes


def asked(url: str, *, retries: int = 0, **options: Any) -> Run:
    """A run with one request, to its end."""
    options = {"method": "POST", "json": {}} | options
    with registered(lambda ctx: fetch(ctx, url, options), retries=retries, backoff=[0]):
        go()
        for _ in range(retries + 1):
            drain()
            travel(timedelta(seconds=1))
    return the_run()


def fetch(ctx: Context, url: str, options: dict[str, Any]) -> str:
    return ctx.step.fetch("call", url, **options).text


def sentence_of(run: Run) -> str:
    """What its only attempt says, behind the request that it is about."""
    assert run.status == "failed"
    (message,) = errors(run)
    assert message in run.error["message"]
    return message.split(": ", 1)[1]


TAKES_ITS_TIME = [
    hostile_endpoint.silent,
    hostile_endpoint.drips_headers,
    hostile_endpoint.drips_body,
    hostile_endpoint.drips_chunks,
    hostile_endpoint.promises_for_ever,
]


@pytest.mark.parametrize("manner", TAKES_ITS_TIME, ids=lambda manner: manner.__name__)
def test_an_endpoint_that_accepts_and_does_not_answer_or_trickles_is_given_the_timeout_and_no_more(
    settings, manner
):
    with Adversary(manner) as server:
        allow(settings, server)
        assert sentence_of(asked(server.url, timeout=TIMEOUT)) == NOT_IN_TIME


@pytest.mark.parametrize(
    ("manner", "sentence"),
    [
        (says(HALF), "the answer broke off after 10 bytes"),
        (says(b""), "the connection was closed before there was an answer"),
        (says(b"SSH-2.0-OpenSSH\r\n"), "what came back is not HTTP: 'SSH-2.0-OpenSSH\\r\\n'"),
        (redirect("/make"), "it redirected 25 times and did not answer"),
        (redirect(""), "it redirects (303) without saying where to"),
    ],
)
def test_what_comes_back_is_said(settings, manner, sentence):
    with Adversary(manner) as server:
        allow(settings, server)
        assert sentence_of(asked(server.url)) == sentence


class Flood:
    """Sends and sends, and counts what it got rid of."""

    def __init__(self, head: bytes, framed: bool = False) -> None:
        self._head, self._framed = head, framed
        self.sent = 0

    def __call__(self, peer: Peer) -> None:
        peer.say(b"HTTP/1.1 200 OK\r\n" + self._head + b"\r\n\r\n")
        piece = b"x" * 65_536
        while self.sent < MANY and peer.is_wanted:
            peer.say(b"10000\r\n" + piece + b"\r\n" if self._framed else piece)
            self.sent += len(piece)


@pytest.mark.parametrize(
    "flood",
    [Flood(b"Server: flood"), Flood(b"Transfer-Encoding: chunked", framed=True)],
    ids=["until it closes", "in chunks"],
)
def test_of_ten_gigabytes_four_megabytes_are_read(settings, flood):
    with Adversary(flood) as server:
        allow(settings, server)
        run = asked(server.url, retries=3)
    assert sentence_of(run) == "the answer is larger than 4 MiB"  # and it is not asked again
    assert flood.sent < 64 * 2**20  # what it got rid of stands in the system's buffers


def test_of_ten_gigabytes_that_are_announced_none_is_read(settings):
    with Adversary(hostile_endpoint.promises_10_gb) as server:
        allow(settings, server)
        assert sentence_of(asked(server.url)) == "the answer is larger than 4 MiB"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://songs.test/", "gopher://x/"])
def test_a_redirect_to_what_is_not_http_is_not_followed(settings, location):
    scheme = location.split(":")[0]
    with Adversary(redirect(location)) as server:
        allow(settings, server)
        sentence = sentence_of(asked(server.url))
    assert f"its scheme is '{scheme}'; only http and https are asked" in sentence
    assert "passwd" not in sentence


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_to_another_origin_carries_anything_of_ours_there(settings, status):
    settings.MODAL_KEY = "the-real-key"
    with Adversary(answer()) as other, Adversary(redirect(other.url, status)) as server:
        allow(settings, server, other)
        run = asked(server.url, headers={"Modal-Key": Secret("MODAL_KEY")})
        assert other.heard == []
    assert server.heard[0].headers["modal-key"] == "the-real-key"
    assert (
        f"it redirects{'' if status == 303 else f' ({status})'} to http://{other.netloc}; only"
        in (sentence_of(run))
    )


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.0.0.7", "private"),
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "cloud metadata"),
        ("169.254.7.7", "link-local"),
        ("fe80::1", "link-local"),
        ("::ffff:a00:7", "translated IPv4"),
    ],
)
def test_a_name_that_leads_inside_is_refused_after_it_was_resolved(
    settings, monkeypatch, address, kind
):
    monkeypatch.setattr(
        "jobs.platform.http.connection_pool._transport", Transport(lambda host, port: [address])
    )
    allow(settings, "songs.test")
    sentence = sentence_of(asked("http://songs.test/make", retries=3))
    assert sentence.startswith(f"songs.test leads to {address}, a {kind} address; ")


def test_a_name_that_resolves_differently_the_second_time_is_vetted_the_second_time(
    settings, monkeypatch
):
    found = iter([["127.0.0.1"], ["169.254.169.254"]])
    monkeypatch.setattr(
        "jobs.platform.http.connection_pool._transport", Transport(lambda host, port: next(found))
    )
    with Adversary(answer(b"busy", 503, Connection="close")) as server:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        run = asked(server.url_of("songs.test"), retries=3)
        assert len(server.heard) == 1
    first, second = errors(run)
    assert "answered 503: busy" in first
    assert "songs.test leads to 169.254.169.254, a cloud metadata address" in second
