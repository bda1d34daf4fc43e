"""What the engine leans on in requests and urllib3. A release that changes it fails here first; one
that dialled past the vetted addresses would send nothing."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from urllib3.connection import HTTPConnection

from jobs.platform.http.connection import PlainConnection
from jobs.platform.http.connection_pool import Adapter, Transport
from tests.support.hostile_endpoint import Adversary, allow, answer, ask, message

HOOKS = ("cert_verify", "get_connection_with_tls_context", "request_url", "build_response")


def counted(monkeypatch, owner: type, name: str, calls: list[Any]) -> None:
    """Each call of a method, by what it returns."""
    method = getattr(owner, name)

    def call(self: Any, *given: Any, **options: Any) -> Any:
        calls.append((name, method(self, *given, **options)))
        return calls[-1][1]

    monkeypatch.setattr(owner, name, call)


def test_a_connection_is_dialled_once_by_the_hook_and_leads_to_the_vetted_address(
    settings, monkeypatch
):
    dialled: list[Any] = []
    counted(monkeypatch, PlainConnection, "_new_conn", dialled)
    with Adversary(answer()) as server:
        allow(settings, f"songs.test:{server.port}")
        settings.JOBS = {**settings.JOBS, "PRIVATE_HOSTS": settings.JOBS["ALLOWED_HOSTS"]}
        transport = Transport(lambda host, port: ["127.0.0.1"])
        outcome = ask(server.url_of("songs.test"), transport=transport)
    assert outcome.error is None
    assert [name for name, _ in dialled] == ["_new_conn"]


@pytest.mark.parametrize("hook", HOOKS)
def test_requests_sends_by_each_hook_of_the_adapter(hook, settings, monkeypatch):
    called: list[Any] = []
    counted(monkeypatch, Adapter, hook, called)
    with Adversary(answer()) as server:
        allow(settings, server)
        assert ask(server.url, transport=Transport()).error is None
    assert [name for name, _ in called] == [hook]


def dial_past_the_hook(self: HTTPConnection) -> None:
    self.sock = socket.create_connection((self.host, self.port))


def test_a_urllib3_that_dials_in_its_own_way_sends_nothing(settings, monkeypatch):
    monkeypatch.setattr(HTTPConnection, "connect", dial_past_the_hook)
    with Adversary(answer()) as server:
        allow(settings, server)
        outcome = ask(server.url, transport=Transport())
    assert "dials past the addresses that may be asked" in message(outcome)
    assert server.heard == []
