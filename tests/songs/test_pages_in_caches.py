"""No browser keeps a copy of an account's page; what is for all is kept as ever."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from songs.models import User
from songs.sharing.publishing import publish
from tests.support import cast

pytestmark = pytest.mark.django_db
PAGES = [
    "/",
    "/songs/",
    "/discover/",
    "/accounts/",
    "/accounts/credits/",
    "/accounts/password/change/",
]
FOR_ALL = ["/", "/discover/", "/discover/feed.xml", "/robots.txt", "/sitemap.xml"]


@pytest.mark.parametrize("address", PAGES)
def test_an_accounts_page_is_kept_by_no_browser(alices: Client, address: str) -> None:
    answer = alices.get(address)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]


def test_nor_is_a_song_a_page_that_is_missing_or_the_panel(
    alices: Client, olgas: Client, alice: User
) -> None:
    song = cast.a_song(alice)
    answers = [
        alices.get(reverse("song", args=[song.pk])),
        alices.get("/no/such/page"),
        olgas.get("/admin/"),
    ]
    for answer in answers:
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("address", FOR_ALL)
def test_a_strangers_page_says_nothing_of_it(client: Client, address: str) -> None:
    assert "Cache-Control" not in client.get(address)


def test_a_public_song_is_kept_for_strangers_alone(
    client: Client, alices: Client, alice: User
) -> None:
    song = cast.a_song(alice)
    publish(song, title="A waltz", byline="Alice")
    address = reverse("public-song", args=[song.pk])
    assert "Cache-Control" not in client.get(address)
    assert "no-store" in alices.get(address)["Cache-Control"]


def test_a_feed_and_a_map_are_no_pages_of_an_account(alices: Client) -> None:
    for address in FOR_ALL[2:]:
        assert "Cache-Control" not in alices.get(address)
