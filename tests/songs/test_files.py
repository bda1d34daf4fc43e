"""A song's audio and cover on their way to the browser."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpResponseBase
from django.test import Client
from django.utils.http import http_date

from songs.models import Song, SongStatus, User
from tests.songs.making import after_the_minute
from tests.support.cast import a_song

AUDIO = bytes(range(256)) * 600  # more than two chunks


@pytest.fixture
def song(alice: User) -> Song:
    song = a_song(alice, "a waltz for two cats")
    default_storage.save(song.s3_key, ContentFile(AUDIO))
    default_storage.save(song.thumbnail_s3_key, ContentFile(b"a picture"))
    return song


def body(answer: HttpResponseBase) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_the_whole_file_comes_as_audio(alices: Client, song: Song) -> None:
    answer = alices.get(f"/songs/{song.pk}/audio")
    assert answer.status_code == 200
    assert body(answer) == AUDIO
    assert answer["Content-Type"] == "audio/mpeg"
    assert answer["Content-Length"] == str(len(AUDIO))
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("inline")


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-99", slice(0, 100)),
        ("bytes=100000-", slice(100_000, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=65530-131080", slice(65_530, 131_081)),
    ],
)
def test_a_range_comes_as_206(alices: Client, song: Song, header: str, part: slice) -> None:
    answer = alices.get(f"/songs/{song.pk}/audio", headers={"Range": header})
    start, stop, _ = part.indices(len(AUDIO))
    assert answer.status_code == 206
    assert body(answer) == AUDIO[part]
    assert answer["Content-Range"] == f"bytes {start}-{stop - 1}/{len(AUDIO)}"
    assert answer["Content-Length"] == str(stop - start)


def test_a_range_past_the_end_comes_as_416(alices: Client, song: Song) -> None:
    answer = alices.get(f"/songs/{song.pk}/audio", headers={"Range": "bytes=999999-"})
    assert answer.status_code == 416
    assert answer["Content-Range"] == f"bytes */{len(AUDIO)}"


def test_several_ranges_come_as_the_whole_file(alices: Client, song: Song) -> None:
    answer = alices.get(f"/songs/{song.pk}/audio", headers={"Range": "bytes=0-1,4-5"})
    assert (answer.status_code, body(answer)) == (200, AUDIO)


def test_head_has_the_headers_and_no_body(alices: Client, song: Song) -> None:
    answer = alices.head(f"/songs/{song.pk}/audio")
    assert (answer.status_code, body(answer)) == (200, b"")
    assert answer["Content-Length"] == str(len(AUDIO))


@pytest.mark.parametrize("header", ["bytes=0-9", "bytes=999999-"])
def test_head_has_no_ranges(alices: Client, song: Song, header: str) -> None:
    answer = alices.head(f"/songs/{song.pk}/audio", headers={"Range": header})
    assert (answer.status_code, answer["Content-Length"]) == (200, str(len(AUDIO)))
    assert "Content-Range" not in answer


def test_what_the_browser_has_is_not_sent_again(alices: Client, song: Song) -> None:
    address = f"/songs/{song.pk}/audio"
    first = alices.get(address)
    body(first)
    by_tag = alices.get(address, headers={"If-None-Match": first["ETag"]})
    by_date = alices.get(address, headers={"If-Modified-Since": first["Last-Modified"]})
    assert by_tag.status_code == by_date.status_code == 304
    assert by_tag["Content-Length"] == by_date["Content-Length"] == first["Content-Length"]


def test_a_range_of_an_older_file_comes_as_the_whole_new_one(alices: Client, song: Song) -> None:
    address = f"/songs/{song.pk}/audio"
    first = alices.head(address)
    older = default_storage.get_modified_time(song.s3_key) - timedelta(days=1)
    for condition, status in [
        (first["ETag"], 206),
        (first["Last-Modified"], 206),
        ('"another"', 200),
        (http_date(older.timestamp()), 200),
    ]:
        headers = {"Range": "bytes=0-9", "If-Range": condition}
        answer = alices.get(address, headers=headers)
        body(answer)
        assert answer.status_code == status, condition


@pytest.mark.parametrize(
    ("title", "named"),
    [
        ("A waltz", 'filename="A waltz.mp3"'),
        ('"A" waltz/../cats?', 'filename="A waltz .. cats.mp3"'),
        ("Łucja's waltz", "filename*=utf-8''%C5%81ucja%27s%20waltz.mp3"),
        ("...", 'filename="song.mp3"'),
    ],
)
def test_a_download_carries_the_title_as_its_name(
    alices: Client, song: Song, title: str, named: str
) -> None:
    Song.objects.filter(pk=song.pk).update(title=title)
    answer = alices.get(f"/songs/{song.pk}/audio?download=1")
    body(answer)
    assert answer["Content-Disposition"] == f"attachment; {named}"


def test_the_cover_comes_as_a_picture(alices: Client, song: Song) -> None:
    answer = alices.get(f"/songs/{song.pk}/cover")
    assert (answer["Content-Type"], body(answer)) == ("image/png", b"a picture")


def test_a_file_of_an_unknown_kind_is_only_ever_a_download(alices: Client, alice: User) -> None:
    song = a_song(alice, s3_key="page.html")
    default_storage.save("page.html", ContentFile(b"<script>alert(1)</script>"))
    answer = alices.get(f"/songs/{song.pk}/audio")
    body(answer)
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")


def test_a_song_whose_file_is_an_archive_is_only_ever_a_download(
    alices: Client, alice: User
) -> None:
    song = a_song(alice, s3_key="song.zip")
    default_storage.save("song.zip", ContentFile(b"PK"))
    answer = alices.get(f"/songs/{song.pk}/audio")
    body(answer)
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("key", ["gone.mp3", "../../etc/passwd", "/etc/passwd", "folder"])
def test_a_key_without_a_file_is_a_404(alices: Client, alice: User, key: str) -> None:
    default_storage.save("folder/file.mp3", ContentFile(b""))
    song = a_song(alice, s3_key=key)
    assert alices.get(f"/songs/{song.pk}/audio").status_code == 404


def test_a_song_in_the_making_has_no_audio_yet(alices: Client, alice: User) -> None:
    song = a_song(alice, status=SongStatus.PROCESSING)
    assert alices.get(f"/songs/{song.pk}/audio").status_code == 404


def test_a_key_from_the_browser_is_ignored(alices: Client, song: Song) -> None:
    default_storage.save("other.mp3", ContentFile(b"somebody else's"))
    answer = alices.get(f"/songs/{song.pk}/audio?key=other.mp3&s3_key=other.mp3")
    assert body(answer) == AUDIO


@pytest.fixture
def bucket(song: Song, settings) -> None:
    """The files are in a bucket from now on."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": "songs",
                "endpoint_url": "http://127.0.0.1:1",
                "region_name": "eu-1",
                "access_key": "key",
                "secret_key": "secret",
                "querystring_expire": 600,
            },
        },
    }


@pytest.mark.usefixtures("bucket")
def test_a_link_into_the_bucket_is_signed_for_the_method(alices: Client, song: Song) -> None:
    for name in ("audio", "cover"):
        address = f"/songs/{song.pk}/{name}"
        links = [alices.get(address)["Location"], alices.head(address)["Location"]]
        signatures = [parse_qs(urlsplit(link).query)["X-Amz-Signature"] for link in links]
        assert signatures[0] != signatures[1]


@pytest.mark.usefixtures("bucket")
def test_a_bucket_is_asked_for_a_short_lived_link(alices: Client, song: Song) -> None:
    answer = alices.get(f"/songs/{song.pk}/audio?download=1", headers={"Range": "bytes=0-9"})
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"http://127.0.0.1:1/songs/{song.s3_key}?")
    for part in (
        "response-content-type=audio",
        "response-content-disposition=attach",
        "Signature=",
    ):
        assert part in answer["Location"]
    assert answer["Cache-Control"] == "private, no-store"


def test_deleting_a_song_deletes_its_files_and_keeps_the_ledger(alices: Client, song: Song) -> None:
    answer = alices.post(f"/songs/{song.pk}/delete", follow=True)
    after_the_minute()
    assert "is deleted." in answer.content.decode()
    assert not Song.objects.exists()
    assert not default_storage.exists(song.s3_key)
    assert not default_storage.exists(song.thumbnail_s3_key)
    assert song.owner.credit_entries.count() == 1


def test_a_song_in_the_making_cannot_be_deleted(alices: Client, alice: User) -> None:
    song = a_song(alice, status=SongStatus.QUEUED)
    answer = alices.post(f"/songs/{song.pk}/delete", follow=True)
    assert "still being made" in answer.content.decode()
    assert Song.objects.filter(pk=song.pk).exists()
