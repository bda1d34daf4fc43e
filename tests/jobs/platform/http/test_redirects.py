"""Only a 303 within the origin is followed, and no header reaches a host it was not meant for."""

from __future__ import annotations

import pytest

from jobs.platform.http.client import MAX_HOPS
from tests.support import hostile_endpoint
from tests.support.hostile_endpoint import (
    Adversary,
    allow,
    answer,
    ask,
    is_final,
    message,
    redirect,
)

KEY = {"Modal-Key": "wk-very-secret", "Content-Type": "application/json"}
CAPABILITY = "result=e7b1a2"


def test_a_303_is_followed_with_get_and_the_same_headers(settings):
    with Adversary(redirect(f"/make?{CAPABILITY}"), answer(b"song")) as server:
        allow(settings, server)
        outcome = ask(server.url, headers=KEY)
    assert outcome.response is not None
    assert outcome.response["body"] == "song"
    assert [(heard.method, heard.target) for heard in server.heard] == [
        ("POST", "/make"),
        ("GET", f"/make?{CAPABILITY}"),
    ]
    assert [heard.headers["modal-key"] for heard in server.heard] == [KEY["Modal-Key"]] * 2


def test_a_poll_carries_neither_the_body_nor_what_describes_it(settings):
    with Adversary(redirect("/result"), answer()) as server:
        allow(settings, server)
        ask(server.url, headers=KEY, body='{"a": 1}')
    assert server.heard[0].body == b'{"a": 1}'
    assert server.heard[1].body == b""
    assert not [name for name in server.heard[1].headers if name.startswith("content-")]


def test_each_result_url_is_remembered_before_it_is_asked(settings):
    remembered: list[tuple[str, int]] = []
    with Adversary(redirect("/1"), redirect("/2"), answer()) as server:
        allow(settings, server)
        ask(server.url, remember=lambda url: remembered.append((url, len(server.heard))))
    base = f"http://{server.netloc}"
    assert remembered == [(f"{base}/1", 1), (f"{base}/2", 2)]


def test_the_same_result_url_may_come_again(settings):
    """The endpoint answers 303 to its result's one URL every 150 s until the result is there."""
    with Adversary(*[redirect("/result")] * 20, answer(b"song")) as server:
        allow(settings, server)
        outcome = ask(server.url)
    assert outcome.response is not None
    assert outcome.response["body"] == "song"
    assert [heard.method for heard in server.heard] == ["POST"] + ["GET"] * 20


def test_a_poll_that_breaks_off_is_taken_up_again_without_a_second_post(settings):
    remembered: list[str] = []
    breaks_off = hostile_endpoint.says(b"")
    with Adversary(redirect("/result"), breaks_off, redirect("/result"), answer()) as server:
        allow(settings, server)
        broken = ask(server.url, headers=KEY, remember=remembered.append)
        assert message(broken) == "the connection was closed before there was an answer"
        assert not is_final(broken)
        outcome = ask(server.url, headers=KEY, result_url=remembered[-1])
    assert outcome.error is None
    assert [heard.method for heard in server.heard] == ["POST", "GET", "GET", "GET"]
    assert {heard.headers["modal-key"] for heard in server.heard} == {KEY["Modal-Key"]}


def test_a_circle_ends_after_25_hops(settings):
    with Adversary(redirect("/make")) as server:
        allow(settings, server)
        outcome = ask(server.url)
    assert message(outcome) == "it redirected 25 times and did not answer"
    assert is_final(outcome)
    assert len(server.heard) == MAX_HOPS + 1


def test_a_303_to_another_origin_is_refused_and_hears_nothing(settings):
    with Adversary(answer()) as other, Adversary(redirect(other.url)) as server:
        allow(settings, server, other)
        outcome = ask(server.url, headers=KEY)
    assert f"redirects to http://{other.netloc}" in message(outcome)
    assert is_final(outcome)
    assert other.heard == []
    assert other.connections == 0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_another_redirect_is_not_followed(settings, status):
    with Adversary(answer()) as other:
        target = f"{other.url}?{CAPABILITY}"
        with Adversary(redirect(target, status)) as server:
            allow(settings, server, other)
            outcome = ask(server.url, headers=KEY)
    assert message(outcome) == (
        f"it redirects ({status}) to http://{other.netloc}; only a 303 is followed"
    )
    assert is_final(outcome)
    assert len(server.heard) == 1
    assert other.connections == 0


@pytest.mark.parametrize(
    ("location", "word"),
    [
        ("file:///etc/passwd", "'file'"),
        ("gopher://127.0.0.1/", "'gopher'"),
        ("https://127.0.0.1:{port}/", "https://127.0.0.1:{port}"),
        ("//127.0.0.1:1/", "http://127.0.0.1:1"),
        ("//songs.test/", "http://songs.test"),
        ("http://user:password@127.0.0.1:{port}/", "user name"),
        ("http://127.0.0.1:{port}@evil.test/", "user name"),
        ("http://127.0.0.1:99999/", "cannot be read"),
        ("http://[/", "no address"),
        ("http://2130706433:{port}/", "is a number"),
        ("", "where to"),
    ],
)
def test_a_303_to_somewhere_odd_is_refused(settings, location, word):
    def manner(peer):
        return redirect(location.format(port=server.port))(peer)

    with Adversary(manner) as server:
        allow(settings, server)
        outcome = ask(server.url, headers=KEY)
    assert word.format(port=server.port) in message(outcome)
    assert is_final(outcome)
    assert len(server.heard) == 1


def test_a_backslash_does_not_lead_out_of_the_origin(settings):
    with Adversary(redirect("http:\\\\evil.test\\"), answer()) as server:
        allow(settings, server)
        ask(server.url, headers=KEY)
    assert [heard.headers["host"] for heard in server.heard] == [server.netloc] * 2


def test_a_remembered_url_of_another_origin_is_refused(settings):
    with Adversary(answer()) as other, Adversary(answer()) as server:
        allow(settings, server, other)
        outcome = ask(server.url, headers=KEY, result_url=other.url)
    assert is_final(outcome)
    assert (other.connections, server.connections) == (0, 0)


def test_a_redirect_s_endless_body_is_not_waited_for(settings):
    def endless(peer):
        peer.say(b"HTTP/1.1 303 See Other\r\nLocation: /result\r\n\r\n")
        while peer.is_wanted:
            peer.say(b"x" * 65_536)

    with Adversary(endless, answer(b"song")) as server:
        allow(settings, server)
        outcome = ask(server.url)
    assert outcome.response is not None
    assert outcome.response["body"] == "song"


def test_a_result_url_stands_in_no_log_whatever_the_headers_look_like(settings, caplog):
    url = f"/make?{CAPABILITY}"
    odd = hostile_endpoint.says(b"HTTP/1.1 200 OK\r\nno header at all\r\n\r\nsong")
    with Adversary(redirect(url), odd) as server:
        allow(settings, server)
        assert ask(server.url).response is not None
    assert len(server.heard) == 2
    assert CAPABILITY not in caplog.text


def test_a_result_url_stands_in_no_message_and_in_no_answer(settings):
    """A program that has it has the result."""
    url = f"/make?{CAPABILITY}"
    manners = [
        answer(),
        hostile_endpoint.says(b""),
        hostile_endpoint.silent,
        redirect(url),
        redirect("file:/x"),
    ]
    for manner in manners:
        with Adversary(redirect(url), manner) as server:
            allow(settings, server)
            outcome = ask(server.url, timeout=0.5)
        assert len(server.heard) > 1
        assert CAPABILITY not in str(outcome)
