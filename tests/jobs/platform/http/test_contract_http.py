"""What the engine leans on in requests and urllib3. A release that changes it fails here first; one
that dialled past the vetted addresses would send nothing."""

from __future__ import annotations

import ast
import inspect
import socket
from pathlib import Path
from typing import Any

import pytest
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from jobs.platform.http.connection import TESTED, PlainConnection
from jobs.platform.http.connection_pool import Adapter, Transport
from tests.support.hostile_endpoint import (
    Adversary,
    allow,
    answer,
    ask,
    message,
    trusting_transport,
)

HOOKS = ("cert_verify", "get_connection_with_tls_context", "request_url", "build_response")


def test_the_installed_urllib3_is_a_tested_one():
    assert TESTED.untested() == ""


def counted(monkeypatch, owner: type, name: str, calls: list[Any]) -> None:
    """Each call of a method, by what it returns."""
    method = getattr(owner, name)

    def call(self: Any, *given: Any, **options: Any) -> Any:
        calls.append((name, method(self, *given, **options)))
        return calls[-1][1]

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_is_dialled_once_by_the_engine_and_leads_to_the_vetted_address(
    scheme, settings, monkeypatch
):
    """urllib3's own ways to dial and to shake hands could be gone."""
    monkeypatch.setattr(HTTPConnection, "_new_conn", None)
    monkeypatch.setattr(HTTPConnection, "connect", None)
    monkeypatch.setattr(HTTPSConnection, "connect", None)
    dialled: list[Any] = []
    counted(monkeypatch, PlainConnection, "connect", dialled)
    with Adversary(answer(), tls=scheme == "https") as server:
        allow(settings, f"songs.test:{server.port}")
        settings.JOBS = {**settings.JOBS, "PRIVATE_HOSTS": settings.JOBS["ALLOWED_HOSTS"]}
        transport = trusting_transport(lambda host, port: ["127.0.0.1"])
        for _ in range(2):
            outcome = ask(server.url_of("songs.test", scheme), transport=transport)
            assert outcome.error is None
    assert len(dialled) == 1
    assert len(server.heard) == 2


def test_no_private_name_of_urllib3_is_used():
    theirs = {name for one in (HTTPSConnection, HTTPSConnectionPool) for name in dir(one)}
    source = ast.parse(Path(inspect.getfile(PlainConnection)).read_text())
    ours = {node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute)}
    ours |= {node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef)}
    assert [n for n in ours & theirs if n.startswith("_") and not n.startswith("__")] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_requests_sends_by_each_hook_of_the_adapter(hook, settings, monkeypatch):
    called: list[Any] = []
    counted(monkeypatch, Adapter, hook, called)
    with Adversary(answer()) as server:
        allow(settings, server)
        assert ask(server.url, transport=Transport()).error is None
    assert [name for name, _ in called] == [hook]


def test_a_urllib3_that_dials_in_its_own_way_sends_nothing(settings, monkeypatch):
    request = HTTPConnection.request

    def dial_and_request(self: HTTPConnection, *given: Any, **options: Any) -> None:
        self.sock = socket.create_connection((self.host, self.port))
        request(self, *given, **options)

    monkeypatch.setattr(HTTPConnection, "request", dial_and_request)
    with Adversary(answer()) as server:
        allow(settings, server)
        outcome = ask(server.url, transport=Transport())
    assert "dials past the addresses that may be asked" in message(outcome)
    assert server.heard == []
