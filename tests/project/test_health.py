"""What the two health addresses answer, and what a visitor sees while the database is away."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from jobs.models import Cluster
from melodymaker import health
from tests.project.pages import become_reader, lose
from tests.project.relay import Relay


@pytest.fixture
def address(transactional_db) -> Iterator[dict[str, Any]]:
    """Where the next connection leads: HOST and PORT, to be changed."""
    settings = connection.settings_dict
    before = {name: settings[name] for name in ("HOST", "PORT")}
    connection.close()
    yield settings
    settings.update(before)
    connection.close()


@pytest.fixture
def away(address: dict[str, Any]) -> None:
    """The database cannot be reached: its address leads nowhere."""
    address["HOST"] = "/nowhere"


@pytest.fixture
def relay(address: dict[str, Any]) -> Iterator[Relay]:
    relay = Relay(address)
    relay.start()
    address["HOST"], address["PORT"] = relay.address
    yield relay
    connection.close()
    relay.close()


@pytest.mark.django_db
def test_ready_when_web_database_and_a_cluster_live(client: Client) -> None:
    Cluster.objects.create(key="one")
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"web": "ok", "database": "ok", "cluster": "ok"}


@pytest.mark.django_db
def test_not_ready_without_any_cluster(client: Client) -> None:
    Cluster.objects.all().delete()
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["cluster"] == "no cluster has ever been heard of"


@pytest.mark.django_db
def test_not_ready_when_the_clusters_have_gone_silent(client: Client) -> None:
    Cluster.objects.create(key="one", seen_at=Now() - timedelta(seconds=60))
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["cluster"] == "no cluster has been heard of for 60 s"


def test_not_ready_while_the_database_is_away_and_no_word_of_why(client: Client, away) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"web": "ok", "database": "does not answer", "cluster": "unknown"}


def test_not_ready_while_the_server_refuses_connections(client: Client, address) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_in_a_moment:
        address["HOST"], address["PORT"] = closed_in_a_moment.getsockname()
    assert client.get("/health/ready").json()["database"] == "refuses connections"


@pytest.mark.django_db(transaction=True)
def test_not_ready_on_a_reader_and_the_next_look_is_on_another_connection(client: Client) -> None:
    Cluster.objects.create(key="one")
    become_reader()
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["database"] == "is read-only"

    assert client.get("/health/ready").json()["database"] == "ok"


@pytest.mark.django_db(transaction=True)
def test_not_ready_when_the_server_stops_and_then_looks_at_another(client: Client) -> None:
    lose()
    assert client.get("/health/ready").json()["database"] == "is being stopped"
    assert client.get("/health/ready").json()["database"] == "ok"


@pytest.mark.django_db(transaction=True)
def test_not_ready_on_a_connection_that_is_known_to_be_closed(client: Client) -> None:
    connection.ensure_connection()
    connection.connection.close()
    assert client.get("/health/ready").json()["database"] == "does not answer"
    assert client.get("/health/ready").json()["database"] == "ok"


def test_not_ready_while_the_server_is_frozen(client: Client, relay: Relay, monkeypatch) -> None:
    """It does not even say that a statement takes too long; the look has an end all the same."""
    monkeypatch.setattr(health, "PATIENCE", 1)
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "connect_timeout", 2)
    assert client.get("/health/ready").json()["database"] == "ok"
    relay.freeze()
    assert client.get("/health/ready").json()["database"] == "does not answer"


def test_live_asks_no_other_server(client: Client, away) -> None:
    answer = client.get("/health/live")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_health_is_for_reading_only(client: Client) -> None:
    assert client.post("/health/live").status_code == 405


PAGES = [
    "/songs/",
    "/songs/7b1f9a52-7d3c-4c1c-9d64-0d0f7f0f2a11/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/credits/",
    "/admin/",
    "/admin/login/",
    "/admin/jobs/run/",
]


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/"), *[(method, path) for path in PAGES for method in ("get", "post")]],
)
def test_a_visitor_is_told_to_come_back_while_the_database_is_away(
    client: Client, away, method: str, path: str
) -> None:
    client.cookies["sessionid"] = "somebody"
    answer = getattr(client, method)(path)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert "Back in a moment" in answer.content.decode()
    assert "nowhere" not in answer.content.decode()
