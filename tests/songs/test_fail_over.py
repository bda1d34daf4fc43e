"""The site while its database is a reader: what only reads goes on, what has to be written says to
come back, in whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client

from jobs.models import Event, Run
from songs.models import Song, User
from tests.project.pages import become_reader, lose
from tests.songs.conftest import as_
from tests.support.cast import PASSWORD, a_song, wishes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _another_connection_afterwards() -> Iterator[None]:
    yield
    connection.close()


@pytest.fixture
def song(alice: User) -> Song:
    return a_song(alice)


def browser(user: User) -> Client:
    """That shows an error's page, as a browser does."""
    client = as_(user)
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize(
    "path",
    ["/", "/songs/", "/songs/{pk}/", "/songs/{pk}.json", "/songs/{pk}/card", "/accounts/credits/"],
)
def test_a_listener_can_look(alice: User, song: Song, path: str) -> None:
    client = browser(alice)
    become_reader()
    assert client.get(path.format(pk=song.pk)).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/admin/", "/admin/jobs/run/", "/admin/jobs/run/{run}/change/", "/admin/songs/user/"],
)
def test_an_operator_can_look(olga: User, alice: User, path: str) -> None:
    assert browser(alice).post("/songs/", wishes()).status_code == 303
    client = browser(olga)
    become_reader()
    assert client.get(path.format(run=Run.objects.get().pk)).status_code == 200


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/accounts/login/", {"login": "alice", "password": PASSWORD}),
        ("/accounts/login/", {"login": "alice", "password": "wrong"}),
        (
            "/accounts/signup/",
            {
                "username": "dora",
                "email": "dora@example.com",
                "password1": PASSWORD,
                "password2": PASSWORD,
            },
        ),
        ("/accounts/password/reset/", {"email": "alice@example.com"}),
    ],
    ids=["sign in", "wrong password", "sign up", "lost password"],
)
def test_a_stranger_is_told_to_come_back(alice: User, path: str, form: dict[str, Any]) -> None:
    client = Client(raise_request_exception=False)
    become_reader()
    answer = client.post(path, form)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("path", ["/songs/{pk}/rename", "/songs/{pk}/delete", "/accounts/logout/"])
def test_a_listener_is_told_to_come_back(alice: User, song: Song, path: str) -> None:
    client = browser(alice)
    become_reader()
    assert client.post(path.format(pk=song.pk), {"title": "other"}).status_code == 503
    song.refresh_from_db()
    assert song.title != "other"


def test_an_operator_is_told_to_come_back_and_grants_nothing(olga: User, alice: User) -> None:
    client = browser(olga)
    become_reader()
    answer = client.post(
        f"/admin/songs/user/{alice.pk}/grant-credits/", {"amount": "5", "why": "a gift"}
    )
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert User.objects.get(pk=alice.pk).credits == alice.credits


def test_a_grant_and_its_line_in_the_history_are_one_fact(olga: User, alice: User) -> None:
    """The database goes between the two."""
    client = browser(olga)

    def interrupt(**of_signal: Any) -> None:
        lose()

    pre_save.connect(interrupt, sender=LogEntry)
    try:
        path = f"/admin/songs/user/{alice.pk}/grant-credits/"
        assert client.post(path, {"amount": "5", "why": "a gift"}).status_code == 503
    finally:
        pre_save.disconnect(interrupt, sender=LogEntry)
    assert User.objects.get(pk=alice.pk).credits == alice.credits


def test_an_order_leaves_nothing_half_done_and_can_be_sent_again(alice: User) -> None:
    client, order = browser(alice), wishes()
    become_reader()
    assert client.post("/songs/", order).status_code == 503
    assert not Song.objects.exists()
    assert not Event.objects.exists()

    assert client.post("/songs/", order).status_code == 303
    assert client.post("/songs/", order).status_code == 303
    assert (Song.objects.count(), Run.objects.count()) == (1, 1)
