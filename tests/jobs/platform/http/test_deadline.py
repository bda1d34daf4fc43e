"""The timeout is for the whole answer, whatever the other side does with its time."""

from __future__ import annotations

import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.errors import FetchCode
from jobs.platform.http import deadline_socket
from jobs.platform.http.connection_pool import Transport
from tests.support import hostile_endpoint
from tests.support.hostile_endpoint import (
    PATIENCE,
    Adversary,
    Peer,
    allow,
    answer,
    ask,
    is_final,
    message,
    redirect,
)

TIMEOUT = 0.4
NOT_IN_TIME = "no whole answer within 0.4 s"


def test_an_answer_within_its_time_is_the_outcome(settings):
    with Adversary(answer(b'{"s3_key": "a.mp3"}')) as server:
        allow(settings, server)
        outcome = ask(server.url, timeout=5)
    assert outcome.error is None
    assert outcome.response is not None
    assert outcome.response["status_code"] == 200
    assert outcome.response["body"] == '{"s3_key": "a.mp3"}'
    assert outcome.head["bytes"] == len('{"s3_key": "a.mp3"}')


@pytest.mark.parametrize(
    "manner",
    [
        hostile_endpoint.silent,
        hostile_endpoint.drips_headers,
        hostile_endpoint.drips_body,
        hostile_endpoint.drips_chunks,
        hostile_endpoint.promises_for_ever,
    ],
    ids=lambda manner: manner.__name__,
)
def test_an_endpoint_that_takes_its_time_is_given_no_more_than_the_timeout(settings, manner):
    with Adversary(manner) as server:
        allow(settings, server)
        begun = time.monotonic()
        outcome = ask(server.url, timeout=TIMEOUT)
        assert time.monotonic() - begun < 10  # dripping to the end would take minutes
    assert message(outcome) == NOT_IN_TIME
    assert not is_final(outcome)
    assert len(server.heard) == 1


def test_the_timeout_is_for_all_redirects_together(settings):
    with Adversary(redirect("/result"), hostile_endpoint.silent) as server:
        allow(settings, server)
        outcome = ask(server.url, timeout=TIMEOUT)
    assert message(outcome) == NOT_IN_TIME
    assert [heard.method for heard in server.heard] == ["POST", "GET"]


def test_an_endpoint_that_does_not_read_what_is_sent_is_given_up(settings):
    """The body is larger than what the system buffers, so that sending it has to wait."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    allow(settings, f"127.0.0.1:{port}")
    with listener:
        outcome = ask(f"http://127.0.0.1:{port}/", timeout=TIMEOUT, body="x" * 50_000_000)
    assert message(outcome) == NOT_IN_TIME


def test_a_tls_handshake_that_never_ends_is_given_up(settings):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    allow(settings, f"127.0.0.1:{port}")
    with listener:
        outcome = ask(f"https://127.0.0.1:{port}/", timeout=TIMEOUT)
    assert message(outcome) == NOT_IN_TIME
    assert not is_final(outcome)


def test_a_connection_has_a_shorter_time_of_its_own(settings, monkeypatch):
    monkeypatch.setattr("jobs.platform.http.connection.CONNECT_TIMEOUT", 0.2)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    allow(settings, f"127.0.0.1:{port}")
    with listener:
        outcome = ask(f"https://127.0.0.1:{port}/", timeout=60)
    assert message(outcome) == f"no connection to 127.0.0.1:{port} within 0.2 s"
    assert not is_final(outcome)


def test_the_connection_s_time_ends_with_the_connection(settings, monkeypatch):
    """An answer may take longer than connecting may."""
    monkeypatch.setattr("jobs.platform.http.connection.CONNECT_TIMEOUT", 0.2)

    def late(peer):
        peer.drip(b"HTTP/1.1 200 OK\r\n")  # 17 bytes, 0.05 s each
        return peer.say(b"Content-Length: 2\r\n\r\nok")

    with Adversary(late) as server:
        allow(settings, server)
        outcome = ask(server.url, timeout=20)
    assert outcome.response is not None
    assert outcome.response["body"] == "ok"


def test_sending_may_take_longer_than_connecting(settings, monkeypatch):
    monkeypatch.setattr("jobs.platform.http.connection.CONNECT_TIMEOUT", 0.2)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    allow(settings, f"127.0.0.1:{port}")

    def read_late() -> None:
        sock, _ = listener.accept()
        with sock:
            threading.Event().wait(0.5)
            left = 20_000_000
            while left > 0 and (heard := sock.recv(1_000_000)):
                left -= len(heard)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    reader = threading.Thread(target=read_late)
    reader.start()
    with listener:
        outcome = ask(f"http://127.0.0.1:{port}/", timeout=20, body="x" * 20_000_000)
    reader.join()
    assert outcome.error is None


def test_a_name_that_is_never_resolved_is_given_up(settings):
    resolved = threading.Event()

    def never(host: str, port: int) -> list[str]:
        resolved.wait()
        return []

    allow(settings, "songs.test")
    outcome = ask("http://songs.test/", timeout=TIMEOUT, transport=Transport(never))
    resolved.set()
    assert message(outcome) == NOT_IN_TIME
    assert not is_final(outcome)


@pytest.mark.skipif(sys.platform != "linux", reason="has one loopback address only")
def test_an_address_that_does_not_answer_leaves_time_for_the_next(settings):
    """The listener's queue is full: a gateway that dials it waits, as for a host that is gone."""
    with Adversary(answer()) as server, socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.2", server.port))
        full.listen(0)
        first.connect(full.getsockname())
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            transport = Transport(lambda host, port: ["127.0.0.2", "127.0.0.1"])
            host = f"songs.test:{server.port}"
            allow(settings, host, private=("songs.test",))
            outcome = ask(server.url_of("songs.test"), timeout=2, transport=transport)
    assert outcome.error is None
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "manner",
    [hostile_endpoint.promises_without_a_pause, hostile_endpoint.trailers_without_a_pause],
    ids=lambda manner: manner.__name__,
)
def test_an_answer_that_never_ends_is_read_up_to_a_limit(settings, monkeypatch, manner):
    monkeypatch.setattr(deadline_socket, "MAX_RECEIVED", 2**20)
    with Adversary(manner) as server:
        allow(settings, server)
        outcome = ask(server.url, timeout=PATIENCE)
    assert message(outcome) == "more than 1 MiB came, and no whole answer"
    assert outcome.error is not None
    assert outcome.error["code"] == FetchCode.UNUSABLE
    assert is_final(outcome)


def test_each_answer_of_a_kept_connection_has_the_whole_limit(settings, monkeypatch):
    monkeypatch.setattr(deadline_socket, "MAX_RECEIVED", 100_000)
    with Adversary(answer(b"x" * 60_000)) as server:
        allow(settings, server)
        transport = Transport()
        for _ in range(3):
            assert ask(server.url, timeout=5, transport=transport).response
    assert server.connections == 1


@pytest.mark.parametrize(
    "manner",
    [
        hostile_endpoint.promises_without_a_pause,
        hostile_endpoint.single_bytes_without_a_pause,
        hostile_endpoint.trailers_without_a_pause,
    ],
    ids=lambda manner: manner.__name__,
)
def test_an_endpoint_that_sends_without_a_pause_holds_up_no_other_request(settings, manner):
    started = threading.Event()

    def floods(peer: Peer) -> bool | None:
        started.set()
        return manner(peer)

    with ThreadPoolExecutor(1) as thread, Adversary(floods) as flood, Adversary(answer()) as other:
        allow(settings, flood, other)
        flooded = thread.submit(ask, flood.url, timeout=PATIENCE / 2)
        assert started.wait(PATIENCE)
        assert ask(other.url, timeout=PATIENCE).response
        assert not flooded.done()
