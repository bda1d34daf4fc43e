"""A song of another listener is a 404 everywhere, whatever the method, and stays as it was."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from songs.models import Song, SongStatus, User
from tests.support.cast import a_song, wishes

READS = ["/", ".json", "/card", "/waveform", "/audio", "/cover", "/audio?download=1"]
WRITES = ["/rename", "/again", "/delete"]


@pytest.fixture
def song(alice: User) -> Song:
    song = a_song(alice, "a secret waltz")
    for key in (song.s3_key, song.thumbnail_s3_key):
        default_storage.save(key, ContentFile(b"only Alice's"))
    return song


@pytest.mark.parametrize("part", READS)
def test_the_owner_alone_gets_it(
    alices: Client, bobs: Client, olgas: Client, song: Song, part: str
) -> None:
    address = f"/songs/{song.pk}{part}"
    assert alices.get(address).status_code == 200
    assert bobs.get(address).status_code == 404
    assert olgas.get(address).status_code == 404


@pytest.mark.parametrize("part", WRITES)
def test_no_other_listener_changes_a_song(bobs: Client, song: Song, part: str) -> None:
    Song.objects.filter(pk=song.pk).update(status=SongStatus.FAILED)
    answer = bobs.post(f"/songs/{song.pk}{part}", {"title": "mine"})
    assert answer.status_code == 404
    assert Song.objects.get().title == "A secret waltz"


@pytest.mark.parametrize("part", [*READS, *WRITES])
def test_a_stranger_learns_nothing(client: Client, song: Song, part: str) -> None:
    send = client.post if part in WRITES else client.get
    answer = send(f"/songs/{song.pk}{part}")
    assert answer.status_code in (302, 404)
    assert b"secret" not in answer.content
    if answer.status_code == 302:
        assert answer["Location"].startswith("/accounts/login/?next=/songs/")


@pytest.mark.parametrize("part", WRITES)
def test_a_link_changes_nothing(alices: Client, song: Song, part: str) -> None:
    assert alices.get(f"/songs/{song.pk}{part}").status_code == 405
    assert Song.objects.filter(pk=song.pk, title="A secret waltz").exists()


def test_a_form_without_its_token_is_refused(alice: User, song: Song) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    answer = client.post(f"/songs/{song.pk}/delete")
    assert answer.status_code == 403
    assert "This form has expired" in answer.content.decode()
    assert Song.objects.filter(pk=song.pk).exists()


def test_a_stranger_orders_nothing(client: Client, db) -> None:
    answer = client.post("/songs/", wishes())
    assert answer["Location"] == "/accounts/login/?next=/"
    assert not Song.objects.exists()


def test_lists_show_ones_own_songs_only(alices: Client, bobs: Client, song: Song) -> None:
    watch = f"/songs/cards?song={song.pk}:old"
    for page in ("/", "/songs/", watch):
        assert b"A secret waltz" in alices.get(page).content
        assert b"A secret waltz" not in bobs.get(page).content


def test_an_unknown_song_is_a_404_in_the_sites_own_look(alices: Client) -> None:
    answer = alices.get("/songs/0190a0b0-0000-7000-8000-000000000000/")
    assert answer.status_code == 404
    assert "Nothing plays here" in answer.content.decode()
