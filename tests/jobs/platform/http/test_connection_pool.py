"""Connections are kept and shared; nothing else passes from one request to the next."""

from __future__ import annotations

import os
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import unquote

import pytest

from jobs.platform.http.connection_pool import Transport, current
from jobs.platform.http.deadline_socket import PlainSocket
from tests.support.hostile_endpoint import (
    CERTIFICATES,
    PATIENCE,
    Adversary,
    allow,
    answer,
    ask,
    is_final,
    message,
    says,
    trusting_transport,
)

pytestmark = pytest.mark.processes


def to_this_machine(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def test_requests_one_after_the_other_share_a_connection(settings):
    with Adversary(answer()) as server:
        allow(settings, server)
        transport = Transport()
        for _ in range(3):
            assert ask(server.url, transport=transport).error is None
    assert len(server.heard) == 3
    assert server.connections == 1


@pytest.mark.parametrize(
    ("body", "packets"), [("", 1), ("a song", 1), ("x" * 60_000, 1), ("x" * 70_000, 2)]
)
def test_a_request_leaves_in_one_packet_unless_it_is_long(settings, monkeypatch, body, packets):
    sent: list[int] = []
    send_all = PlainSocket.sendall

    def counted(sock: PlainSocket, data: bytes, flags: int = 0) -> None:
        sent.append(len(data))
        send_all(sock, data, flags)

    monkeypatch.setattr(PlainSocket, "sendall", counted)
    with Adversary(answer()) as server:
        allow(settings, server)
        transport = Transport()
        for _ in range(2):  # on a new connection, and on a kept one
            with closing(transport.open("POST", server.url, {}, body.encode(), 10)) as response:
                response.raw.read()
    assert [heard.body for heard in server.heard] == [body.encode()] * 2
    assert server.connections == 1
    assert len(sent) == 2 * packets


def test_a_connection_that_the_endpoint_has_closed_is_replaced(settings):
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"  # and closed without a word
    with Adversary(says(said)) as server:
        allow(settings, server)
        transport = Transport()
        for _ in range(3):
            assert ask(server.url, transport=transport).error is None
            server.wait_until_all_are_closed()
    assert server.connections == 3


def test_a_connection_is_not_used_again_after_an_answer_that_was_not_read(settings):
    with Adversary(answer(b"x" * 5_000_000), answer(b"song")) as server:
        allow(settings, server)
        transport = Transport()
        assert is_final(ask(server.url, transport=transport))
        outcome = ask(server.url, transport=transport)
    assert outcome.response is not None
    assert outcome.response["body"] == "song"


def test_many_threads_ask_at_once(settings):
    meeting = threading.Barrier(50)

    def all_together(peer):
        meeting.wait(20)
        return answer(b"song")(peer)

    with Adversary(all_together) as server, ThreadPoolExecutor(50) as threads:
        allow(settings, server)
        transport = Transport()
        asked = [threads.submit(ask, server.url, 30.0, transport) for _ in range(50)]
        assert all(future.result().error is None for future in asked)
    assert len(server.heard) == 50


def test_no_cookie_is_kept(settings):
    with Adversary(answer(Set_Cookie="visitor=one; Path=/")) as server:
        allow(settings, server)
        transport = Transport()
        outcome = ask(server.url, transport=transport)
        ask(server.url, transport=transport)
    assert "cookie" not in server.heard[1].headers
    assert "visitor" not in str(outcome)


def test_neither_proxies_nor_passwords_of_the_environment_are_used(settings, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    with Adversary(answer()) as proxy, Adversary(answer()) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.netloc}")
        monkeypatch.setenv("NETRC", str(netrc))
        allow(settings, server)
        assert ask(server.url).error is None
    assert proxy.connections == 0
    assert "authorization" not in server.heard[0].headers


@pytest.mark.parametrize("fields", [{"method": "POST"}, {"method": "GET", "body": ""}])
def test_a_failed_request_is_not_sent_a_second_time_by_itself(settings, fields):
    with Adversary(says(b""), answer()) as server:
        allow(settings, server)
        assert not is_final(ask(server.url, **fields))
    assert len(server.heard) == 1


def test_a_process_has_connections_of_its_own():
    mine = current()
    assert current() is mine
    child = os.fork()
    if not child:
        is_own = current() is not mine and current() is current()
        os._exit(0 if is_own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert current() is mine


def test_threads_that_start_together_share_one_transport(monkeypatch):
    monkeypatch.setattr("jobs.platform.http.connection_pool._transport", None)
    start = threading.Barrier(20)

    def get(_: int) -> Transport:
        start.wait(20)
        return current()

    with ThreadPoolExecutor(20) as threads:
        assert len(set(threads.map(get, range(20)))) == 1


# --- what goes over them --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["/", "//make", "/a/../b", "/%7e?x=%2f&y=[1]", "/make?", "/make;x?a=b c", "/ü"]
)
def test_an_address_is_asked_as_it_was_vetted(settings, target):
    with Adversary(answer()) as server:
        allow(settings, server)
        assert ask(f"http://{server.netloc}{target}#part").error is None
    heard = server.heard[0].target
    assert unquote(heard) == unquote(target.removesuffix("?"))
    assert heard.isascii()
    assert " " not in heard


def test_a_header_of_the_request_takes_the_place_of_the_gateway_s(settings):
    with Adversary(answer()) as server:
        allow(settings, server)
        ask(server.url, headers={"user-agent": "Songs", "ACCEPT": "application/json"})
    heard = server.heard[0].headers
    assert (heard["user-agent"], heard["accept"]) == ("Songs", "application/json")
    assert heard["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    "headers", [{"content-length": "1"}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "99"}]
)
@pytest.mark.parametrize("body", ['{"title": "Für Elise"}', ""])
def test_where_a_body_ends_is_said_by_its_length(settings, headers, body):
    with Adversary(answer()) as server:
        allow(settings, server)
        assert ask(server.url, headers=headers, body=body).error is None
    assert server.heard[0].body == body.encode()
    assert server.heard[0].headers["content-length"] == str(len(body.encode()))
    assert "transfer-encoding" not in server.heard[0].headers


# --- TLS ------------------------------------------------------------------------------------------


def test_a_pinned_address_is_verified_by_the_name_that_was_asked(settings):
    with Adversary(answer(b"song"), tls=True) as server:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        transport = trusting_transport(to_this_machine)
        for _ in range(2):
            outcome = ask(server.url_of("songs.test", "https"), transport=transport)
            assert outcome.response is not None, outcome.error
    assert server.connections == 1
    assert server.heard[0].headers["host"] == f"songs.test:{server.port}"


@pytest.mark.parametrize("host", ["other.test", "127.0.0.1"])
def test_a_certificate_of_another_name_is_not_accepted(settings, host):
    with Adversary(answer(), tls=True) as server:
        allow(settings, f"{host}:{server.port}", private=(host,))
        transport = trusting_transport(to_this_machine)
        outcome = ask(server.url_of(host, "https"), transport=transport)
    assert "certificate verify failed" in message(outcome)
    assert server.heard == []


def test_a_certificate_that_no_authority_vouches_for_is_not_accepted(settings):
    with Adversary(answer(), tls=True) as server:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        transport = Transport(to_this_machine)
        outcome = ask(server.url_of("songs.test", "https"), transport=transport)
    assert "certificate verify failed" in message(outcome)
    assert not is_final(outcome)
    assert server.heard == []


def test_authorities_that_the_environment_names_for_requests_are_not_believed(
    settings, monkeypatch
):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(CERTIFICATES / "authority.pem"))
    with Adversary(answer(), tls=True) as server:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        outcome = ask(server.url_of("songs.test", "https"), transport=Transport(to_this_machine))
    assert "certificate verify failed" in message(outcome)


def test_whom_a_connection_believes_does_not_grow_with_the_connections(settings):
    believed = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
    with Adversary(answer(), tls=True) as server:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        transport = Transport(to_this_machine, believed)
        assert ask(server.url_of("songs.test", "https"), transport=transport).error is None
    assert len(believed.get_ca_certs()) == 1


@pytest.mark.parametrize("drips", [b"", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000])
def test_the_deadline_holds_under_tls(settings, drips):
    def manner(peer):
        peer.drip(drips)
        peer.hold()

    with Adversary(manner, tls=True) as server:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        transport = trusting_transport(to_this_machine)
        outcome = ask(server.url_of("songs.test", "https"), timeout=0.5, transport=transport)
    assert message(outcome) == "no whole answer within 0.5 s"
    assert len(server.heard) == 1


def test_under_tls_too_a_request_that_waits_keeps_no_other_waiting(settings):
    is_waiting, may_answer = threading.Event(), threading.Event()

    def late(peer):
        is_waiting.set()
        may_answer.wait(PATIENCE)
        return answer(b"late")(peer)

    with Adversary(late, answer(b"prompt"), tls=True) as server, ThreadPoolExecutor(1) as pool:
        allow(settings, f"songs.test:{server.port}", private=("songs.test",))
        transport, url = trusting_transport(to_this_machine), server.url_of("songs.test", "https")
        first = pool.submit(ask, url, transport=transport)
        assert is_waiting.wait(PATIENCE)
        assert ask(url, transport=transport).response["body"] == "prompt"
        may_answer.set()
        assert first.result(PATIENCE).response["body"] == "late"
