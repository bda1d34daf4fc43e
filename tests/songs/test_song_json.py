"""`/songs/<uuid>.json`: a song for programs of its owner."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from songs.models import Category, SongStatus, User
from tests.support.cast import a_song


def test_a_song_that_is_there_has_everything(alices: Client, alice: User) -> None:
    song = a_song(alice, finished_at=timezone.now())
    song.categories.set([Category.objects.create(name=n, folded=n) for n in ("waltz", "cats")])
    told = alices.get(f"/songs/{song.pk}.json").json()
    assert parse_datetime(told.pop("created_at")) is not None
    assert parse_datetime(told.pop("finished_at")) is not None
    assert told == {
        "id": str(song.pk),
        "status": "processed",
        "reason": "",
        "title": "A waltz for two cats",
        "audio_url": f"/songs/{song.pk}/audio",
        "cover_url": f"/songs/{song.pk}/cover",
        "categories": ["cats", "waltz"],
    }


def test_a_song_in_the_making_has_no_addresses_yet(alices: Client, alice: User) -> None:
    song = a_song(alice, status=SongStatus.QUEUED)
    told = alices.get(f"/songs/{song.pk}.json").json()
    assert told["status"] == "queued"
    assert told["audio_url"] is told["cover_url"] is told["finished_at"] is None


def test_a_failed_song_tells_its_reason(alices: Client, alice: User) -> None:
    song = a_song(alice, status=SongStatus.FAILED, reason="The studio was closed.")
    told = alices.get(f"/songs/{song.pk}.json").json()
    assert (told["status"], told["reason"]) == ("failed", "The studio was closed.")


def test_no_cache_keeps_it(alices: Client, alice: User) -> None:
    answer = alices.get(f"/songs/{a_song(alice).pk}.json")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("debug", [True, False])
def test_no_song_is_a_404_in_json(
    alices: Client, bobs: Client, alice: User, settings: Any, debug: bool
) -> None:
    settings.DEBUG = debug
    for browser, pk in [(alices, uuid.uuid4()), (bobs, a_song(alice).pk), (Client(), uuid.uuid4())]:
        answer = browser.get(f"/songs/{pk}.json")
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/json"
        assert "belongs to another account" in answer.json()["error"]


def test_no_address_is_a_404_in_the_language_of_its_asker(alices: Client) -> None:
    assert "error" in alices.get("/songs/nonsense.json").json()
    assert "error" in alices.get("/nonsense", headers={"Accept": "application/json"}).json()
    page = alices.get("/nonsense", headers={"Accept": "text/html"})
    assert (page.status_code, "Nothing plays here" in page.content.decode()) == (404, True)
