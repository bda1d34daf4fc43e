"""A deleted song can be brought back for a minute; then a run deletes it for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F
from django.test import Client

from jobs.models import Event
from jobs.testing import drain, travel
from songs import deletion
from songs.models import Song, SongStatus, User
from songs.sharing.publishing import publish
from tests.support.cast import a_song

pytestmark = pytest.mark.django_db
A_MINUTE = timedelta(seconds=61)


@pytest.fixture
def song(alice: User) -> Song:
    song = a_song(alice)
    default_storage.save(song.s3_key, ContentFile(b"a waltz"))
    return song


def shown(client: Client) -> str:
    return client.get("/songs/").content.decode()


def test_a_deleted_song_is_out_of_sight_and_offers_to_be_brought_back(
    alices: Client, song: Song
) -> None:
    page = alices.post(f"/songs/{song.pk}/delete", follow=True).content.decode()
    assert "is deleted." in page
    assert f'action="/songs/{song.pk}/undo"' in page
    assert f"card-{song.pk}" not in page
    for part in ("/", "/audio", ".json", "/card"):
        assert alices.get(f"/songs/{song.pk}{part}").status_code == 404


def test_undone_it_is_as_it_was_and_stays(alices: Client, song: Song) -> None:
    alices.post(f"/songs/{song.pk}/delete")
    drain()
    page = alices.post(f"/songs/{song.pk}/undo", follow=True).content.decode()
    assert "is back." in page
    travel(A_MINUTE)
    drain()
    assert f"card-{song.pk}" in shown(alices)
    assert default_storage.exists(song.s3_key)


def test_to_delete_a_public_song_says_that_it_comes_back_as_private(
    alices: Client, song: Song
) -> None:
    asked = "an undo brings the song back as private"
    assert asked not in alices.get(f"/songs/{song.pk}/").content.decode()
    publish(song, title="A waltz", byline="Alice")
    assert asked in alices.get(f"/songs/{song.pk}/").content.decode()
    alices.post(f"/songs/{song.pk}/delete")
    page = alices.post(f"/songs/{song.pk}/undo", follow=True).content.decode()
    assert "Private: only you can hear it. It was public before; its likes are kept" in page


@pytest.mark.django_db(transaction=True)
def test_after_a_minute_song_and_files_are_gone_for_good(alices: Client, song: Song) -> None:
    alices.post(f"/songs/{song.pk}/delete")
    drain()
    assert Song.objects.filter(pk=song.pk).exists()
    travel(A_MINUTE)
    drain()
    assert not Song.objects.filter(pk=song.pk).exists()
    assert not default_storage.exists(song.s3_key)
    page = alices.post(f"/songs/{song.pk}/undo", follow=True).content.decode()
    assert "gone for good" in page


def test_a_song_that_was_brought_back_and_deleted_again_has_its_whole_minute(
    alices: Client, song: Song
) -> None:
    alices.post(f"/songs/{song.pk}/delete")
    drain()
    travel(timedelta(seconds=40))
    alices.post(f"/songs/{song.pk}/undo")
    alices.post(f"/songs/{song.pk}/delete")
    travel(timedelta(seconds=30))
    drain()
    assert Song.objects.filter(pk=song.pk).exists()
    travel(A_MINUTE)
    drain()
    assert not Song.objects.filter(pk=song.pk).exists()


def test_to_undo_what_was_not_deleted_says_so_and_changes_nothing(
    alices: Client, song: Song
) -> None:
    for _ in range(2):  # a second tab, or Back after the first one
        page = alices.post(f"/songs/{song.pk}/undo", follow=True).content.decode()
        assert "is not deleted, so there is nothing to undo." in page
        assert "is back." not in page
    deletion.put_away(song)
    told = [alices.post(f"/songs/{song.pk}/undo", follow=True).content.decode() for _ in range(2)]
    assert ["is back." in page for page in told] == [True, False]


def test_deleting_twice_is_one_deletion(alices: Client, song: Song) -> None:
    assert deletion.put_away(song)
    assert deletion.put_away(song)
    assert Event.objects.filter(name=deletion.EVENT).count() == 1


@pytest.mark.parametrize("status", [SongStatus.QUEUED, SongStatus.PROCESSING])
def test_a_song_in_the_making_is_not_deleted(alices: Client, alice: User, status: str) -> None:
    song = a_song(alice, status=status)
    page = alices.post(f"/songs/{song.pk}/delete", follow=True).content.decode()
    assert "Cancel it first" in page
    assert Song.objects.get().deleted_at is None


def test_the_offer_ends_after_a_minute(alices: Client, alice: User, song: Song) -> None:
    deletion.put_away(song)
    assert list(deletion.can_be_undone(alice)) == [song]
    Song.objects.update(deleted_at=F("deleted_at") - A_MINUTE)
    assert list(deletion.can_be_undone(alice)) == []


def test_a_song_of_another_listener_is_not_brought_back(bobs: Client, song: Song) -> None:
    deletion.put_away(song)
    bobs.post(f"/songs/{song.pk}/undo")
    song.refresh_from_db()
    assert song.deleted_at is not None
