"""What the two health addresses answer, and what a visitor sees while the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from jobs.models import Cluster


@pytest.fixture
def away(transactional_db) -> Iterator[None]:
    """The database cannot be reached: its address leads nowhere."""
    before = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    yield
    connection.settings_dict["HOST"] = before
    connection.close()


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


def test_live_asks_nobody_else(client: Client, away) -> None:
    answer = client.get("/health/live")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_health_is_for_reading_only(client: Client) -> None:
    assert client.post("/health/live").status_code == 405


@pytest.mark.parametrize("path", ["/", "/songs/", "/admin/"])
def test_a_visitor_is_told_to_come_back_while_the_database_is_away(
    client: Client, away, path: str
) -> None:
    client.cookies["sessionid"] = "somebody"
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert "Back in a moment" in answer.content.decode()
    assert "nowhere" not in answer.content.decode()
