"""A file is one song's: a reply that names another song's file is refused, and a file is removed
when no song names it any more."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.test import Client

from jobs.api import rerun
from jobs.models import Run
from jobs.testing import drain, travel
from songs.deletion import delete_song
from songs.failure_messages import UNUSABLE
from songs.files import naming, refuse_those_of_others, remove_unnamed
from songs.models import Song, SongStatus, User
from songs.music import read_reply
from tests.songs.making import (
    REPLY,
    after_the_minute,
    charges,
    endpoint,
    made,
    posts,
    replies,
    run_of,
)
from tests.support.cast import a_song
from tests.support.explain import explained
from tests.support.functions import at_once
from tests.support.hostile_endpoint import PATIENCE

COVER = "shared/cover.png"


def keep(*keys: str) -> None:
    for key in keys:
        default_storage.save(key, ContentFile(key.encode()))


def remains(*keys: str) -> list[bool]:
    return [default_storage.exists(key) for key in keys]


# --- what a reply names ---------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["s3_key", "cover_image_s3_key"])
@pytest.mark.parametrize("whose", ["alice", "bob"])
def test_a_reply_that_names_another_songs_file_fails_the_song_at_once_and_costs_nothing(
    settings, alice: User, bob: User, field: str, whose: str
) -> None:
    column = {"s3_key": "s3_key", "cover_image_s3_key": "thumbnail_s3_key"}[field]
    other = a_song({"alice": alice, "bob": bob}[whose])
    with endpoint(settings, replies(**{field: getattr(other, column)})) as server:
        song = made(alice)
        assert posts(server) == 1
    error = run_of(song).error
    assert error["step"] == "update-song"
    assert (
        f"names the file {getattr(other, column)}, which belongs to another song"
        in error["message"]
    )
    assert (song.status, song.reason) == (SongStatus.FAILED, UNUSABLE)
    assert (song.s3_key, song.thumbnail_s3_key, charges(alice)) == ("", "", [])


@pytest.mark.django_db
def test_a_song_that_is_made_anew_may_have_the_file_that_it_has(settings, alice: User) -> None:
    with endpoint(settings, replies()):
        song = made(alice)
        rerun(run_of(song).id, from_start=True)
        drain()
    song.refresh_from_db()
    assert (song.status, song.s3_key) == (SongStatus.PROCESSED, REPLY["s3_key"])
    assert charges(alice) == [("charge", -1)]


@pytest.mark.django_db
def test_one_file_cannot_be_audio_and_cover(settings, alice: User) -> None:
    for key in ("x.mp3", "x.png"):
        with endpoint(settings, replies(s3_key=key, cover_image_s3_key=key)):
            song = made(alice)
        assert (song.status, charges(alice)) == (SongStatus.FAILED, [])


@pytest.mark.django_db(transaction=True)
def test_of_two_songs_that_name_one_file_at_the_same_moment_one_has_it(
    alice: User, bob: User
) -> None:
    songs = [a_song(user, status=SongStatus.PROCESSING) for user in (alice, bob)]
    reply = read_reply(REPLY)

    def name_it(song: Song) -> Any:
        def job() -> None:
            with transaction.atomic():
                refuse_those_of_others(song, reply)
                Song.objects.filter(pk=song.pk).update(s3_key=reply.audio_key)

        return job

    results = at_once(*map(name_it, songs))
    assert [str(error)[:20] for error in results if error] == ["The reply names the "]
    assert Song.objects.filter(s3_key=reply.audio_key).count() == 1


# --- what is removed ------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("door", ["listener", "operator"])
def test_a_file_that_two_songs_name_goes_with_the_second_one(
    alices: Client, olgas: Client, alice: User, door: str
) -> None:
    first, second = (a_song(alice, thumbnail_s3_key=COVER) for _ in range(2))
    keep(COVER, first.s3_key, second.s3_key)

    def delete(song: Song) -> None:
        if door == "listener":
            alices.post(f"/songs/{song.pk}/delete")
            after_the_minute()
        else:
            olgas.post(f"/admin/songs/song/{song.pk}/delete/", {"post": "yes"})
        drain()
        assert not Song.objects.filter(pk=song.pk).exists()

    delete(first)
    assert remains(COVER, first.s3_key, second.s3_key) == [True, False, True]
    answer = alices.get(f"/songs/{second.pk}/cover")
    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, COVER.encode())
    delete(second)
    assert remains(COVER, second.s3_key) == [False, False]


@pytest.mark.django_db
def test_a_cover_that_is_replaced_stays_for_the_song_that_has_it_too(
    settings, alice: User, bob: User
) -> None:
    keep(COVER, REPLY["s3_key"])
    covers = [replies(cover_image_s3_key=COVER), replies(s3_key="new.mp3")]
    with endpoint(settings, *covers):
        song = made(alice)
        a_song(bob, thumbnail_s3_key=COVER)
        rerun(run_of(song).id, from_start=True)
        drain()
    song.refresh_from_db()
    assert (song.s3_key, song.thumbnail_s3_key) == ("new.mp3", REPLY["cover_image_s3_key"])
    assert remains(COVER, REPLY["s3_key"]) == [True, False]


@pytest.mark.django_db
def test_to_ask_whose_a_file_is_costs_the_same_however_many_songs_there_are(alice: User) -> None:
    row = {"owner": alice, "full_described_song": "x", "seed": 1}
    Song.objects.bulk_create(
        Song(**row, s3_key=f"{n}.mp3", thumbnail_s3_key=f"{n}.png") for n in range(5_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE songs_song")
    with explained() as seen:
        assert naming("4711.mp3").exists()
    [statement] = seen.pages
    assert not seen.scanned(statement, ("songs_song",)), seen.story(statement)


@pytest.mark.django_db
def test_a_deletion_that_is_rolled_back_removes_nothing(alice: User) -> None:
    song = a_song(alice)
    keep(song.s3_key)
    with transaction.atomic():
        delete_song(song)
        transaction.set_rollback(True)
    drain()
    assert remains(song.s3_key) == [True]
    assert Song.objects.filter(pk=song.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_two_deletions_at_the_same_moment_leave_no_file(alice: User, bob: User) -> None:
    songs = [a_song(owner, thumbnail_s3_key=COVER) for owner in (alice, bob)]
    keep(COVER)
    ready = threading.Barrier(2)

    def delete(song: Song) -> Any:
        def job() -> None:
            with transaction.atomic():
                delete_song(song)
                ready.wait(PATIENCE)  # neither sees that the other's row is gone

        return job

    assert at_once(*map(delete, songs)) == [None, None]
    drain()
    assert remains(COVER) == [False]


@pytest.mark.django_db(transaction=True)
def test_a_file_that_a_song_is_about_to_name_is_not_removed(alice: User) -> None:
    song, key = a_song(alice, status=SongStatus.PROCESSING), REPLY["s3_key"]
    keep(key)
    remover = threading.Thread(target=lambda: (remove_unnamed([key]), connection.close()))
    with transaction.atomic():
        refuse_those_of_others(song, read_reply(REPLY))
        remover.start()
        wait_until_a_lock_is_waited_for()
        Song.objects.filter(pk=song.pk).update(s3_key=key)
    remover.join(PATIENCE)
    assert remains(key) == [True]


def wait_until_a_lock_is_waited_for() -> None:
    with connection.cursor() as cursor:
        for _ in range(100_000):
            cursor.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if cursor.fetchone():
                return
    raise AssertionError("no transaction waits for a lock")


@pytest.mark.django_db
def test_a_store_that_is_down_is_tried_for_days_and_loses_nothing(
    settings, alice: User, caplog
) -> None:
    song, up = a_song(alice), settings.STORAGES
    keep(song.s3_key, song.thumbnail_s3_key)
    down = {"BACKEND": "django.core.files.storage.Storage"}  # which can delete nothing
    settings.STORAGES = up | {"default": down}
    delete_song(song)
    for _ in range(4):
        drain()
        travel(timedelta(days=1))
    assert song.s3_key in caplog.text
    assert song.thumbnail_s3_key in caplog.text
    settings.STORAGES = up
    assert remains(song.s3_key, song.thumbnail_s3_key) == [True, True]
    drain()
    assert remains(song.s3_key, song.thumbnail_s3_key) == [False, False]
    assert Run.objects.get(fn_id="remove-files").status == "completed"
