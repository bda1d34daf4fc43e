"""The download of everything: what is in it, its progress, its limits, and its end."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client

from jobs.api import cancel, rerun
from jobs.maintenance import cron
from jobs.models import Run
from jobs.testing import drain, travel
from songs import credits, downloads, packing
from songs.downloads import FN
from songs.leaving import close_account
from songs.models import Download, Song, User
from songs.storage import file_name
from tests.support.blocking import others
from tests.support.bucket import a_bucket
from tests.support.cast import a_song, listener
from tests.support.commit_boundaries import Cluster, a_minute_later, deaths, forget_everything

pytestmark = pytest.mark.django_db
PAGE, STATE, FILE = "/accounts/download/", "/accounts/download/state", "/accounts/download/file"
PATIENCE = 30  # seconds


def kept(owner: User, words: str = "a waltz", **changes: object) -> Song:
    song = a_song(owner, words, **changes)
    for key in (song.s3_key, song.thumbnail_s3_key):
        default_storage.save(key, ContentFile(f"of {key}".encode()))
    return song


def got(client: Client) -> zipfile.ZipFile:
    answer = client.get(FILE)
    assert answer.status_code == 200
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


def body(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_it_has_songs_covers_wishes_and_ledger_and_the_tables_say_the_same(
    alices: Client, alice: User
) -> None:
    song = kept(alice, "a waltz for “two” cats, née Zoë ✨\nand a line")
    kept(alice, "=HYPERLINK(1)")
    a_song(alice, "one that failed", status="failed", reason="It cost you nothing.")
    credits.charge(song)
    assert alices.post(PAGE)["Location"] == PAGE
    drain()
    archive = got(alices)
    assert archive.testzip() is None
    rows = json.loads(archive.read("songs.json"))
    assert [row["description"] for row in rows] == [
        "a waltz for “two” cats, née Zoë ✨\nand a line",
        "=HYPERLINK(1)",
        "one that failed",
    ]
    assert archive.read(rows[0]["audio"]) == f"of {song.s3_key}".encode()
    assert archive.read(rows[0]["cover"]) == f"of {song.thumbnail_s3_key}".encode()
    assert (rows[2]["audio"], rows[2]["status"]) == ("", "failed")
    table = list(csv.DictReader(io.StringIO(archive.read("songs.csv").decode(), newline="")))
    assert [row["description"] for row in table[:2]] == [
        rows[0]["description"],
        "'=HYPERLINK(1)",
    ]
    assert [row["seed"] for row in table] == [str(row["seed"]) for row in rows]
    ledger = json.loads(archive.read("ledger.json"))
    assert [(row["amount"], row["song"]) for row in ledger] == [(3, ""), (-1, str(song))]
    books = list(csv.DictReader(io.StringIO(archive.read("ledger.csv").decode(), newline="")))
    assert [row["amount"] for row in books] == ["3", "-1"]
    assert json.loads(archive.read("account.json"))["email"] == "alice@example.com"


def test_it_is_given_as_a_zip_with_a_name_of_its_own_and_never_shown(alices: Client) -> None:
    alices.post(PAGE)
    drain()
    answer = alices.get(FILE)
    answer.close()
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == 'attachment; filename="MelodyMaker.zip"'


def test_a_listener_without_songs_gets_empty_tables(alices: Client) -> None:
    alices.post(PAGE)
    drain()
    archive = got(alices)
    assert json.loads(archive.read("songs.json")) == []
    assert len(archive.read("songs.csv").decode().splitlines()) == 1


def test_a_file_that_the_store_has_lost_is_named_and_the_rest_comes(
    alices: Client, alice: User
) -> None:
    a_song(alice)
    kept(alice)
    alices.post(PAGE)
    drain()
    rows = json.loads(got(alices).read("songs.json"))
    assert [row["audio"] == "missing" for row in rows] == [True, False]


def test_titles_that_are_no_file_names_or_alike_are_files_all_the_same(
    alices: Client, alice: User
) -> None:
    for title in ("../../etc/passwd", "same", "same", "a" * 80, ".", "\u202eabc"):
        song = kept(alice)
        Song.objects.filter(pk=song.pk).update(title=title)
    alices.post(PAGE)
    drain()
    names = got(alices).namelist()
    assert len(set(names)) == len(names) == 12 + 6
    assert {name.count("/") for name in names} == {0, 1}
    assert not [name for name in names if name.startswith((".", "/"))]


def test_the_page_moves_while_it_is_made_and_says_when_it_is_ready(
    alices: Client, alice: User, monkeypatch
) -> None:
    kept(alice)
    kept(alice)
    alices.post(PAGE)
    assert "In line" in body(alices, PAGE)
    seen: list[str] = []
    told = packing.write_file

    def look(*args: object) -> str:
        seen.append(body(alices, STATE))
        return told(*args)

    monkeypatch.setattr(packing, "write_file", look)
    drain()
    assert "Packing song 1 of 2" in seen[0]
    assert "Packing song 2 of 2" in seen[-1]
    news = body(alices, f"{STATE}?seen=queued.0.False")
    assert "Ready: 2 songs" in news
    assert "Your download is ready." in news
    assert "every 2s" not in news
    state = Download.objects.get().state
    assert alices.get(STATE, {"seen": state}).status_code == 204


def test_there_is_one_at_a_time_and_the_next_one_is_not_at_once(
    alices: Client, alice: User
) -> None:
    for _ in range(3):
        assert alices.post(PAGE).status_code == 303
    assert Run.objects.filter(fn_id=FN).count() == Download.objects.count() == 1
    drain()
    refused = alices.post(PAGE)
    assert (refused.status_code, refused["Retry-After"].isdigit()) == (429, True)
    assert "another one in 10 minutes" in refused.content.decode()
    Download.objects.update(ready_at=Download.objects.get().ready_at - timedelta(minutes=11))
    first = Download.objects.get()
    assert alices.post(PAGE).status_code == 303
    drain()
    assert Download.objects.get().pk != first.pk
    assert not default_storage.exists(first.key)


def test_the_button_for_another_one_is_off_until_it_can_be_had_and_the_page_says_when(
    alices: Client, alice: User
) -> None:
    alices.post(PAGE)
    drain()
    soonest = Download.objects.get().ready_at + timedelta(minutes=10)
    for page in (body(alices, PAGE), body(alices, STATE)):
        assert re.search(r'<button class="quiet" disabled aria-describedby="soonest">', page)
        assert f"{soonest:%H:%M} UTC</time> on." in page
        [wait] = re.findall(r'hx-trigger="load delay:(\d+)s"', page)  # it looks again then
        assert 590 <= int(wait) <= 602
    Download.objects.update(ready_at=soonest - timedelta(minutes=20))
    for page in (body(alices, PAGE), body(alices, STATE)):
        assert "Make it anew" in page
        assert "disabled" not in page[page.index('id="download"') :]
        assert "delay:" not in page
        assert "Your download is ready." not in page


def test_it_is_its_owners_alone(alices: Client, bobs: Client, client: Client, alice: User) -> None:
    alices.post(PAGE)
    drain()
    for other in (bobs, client):
        assert other.get(FILE).status_code == 404
        assert other.get(STATE).status_code == 404
    assert client.get(PAGE).status_code == client.post(PAGE).status_code == 302


def test_after_its_time_it_is_not_given_and_then_removed(alices: Client, alice: User) -> None:
    alices.post(PAGE)
    drain()
    found = Download.objects.get()
    Download.objects.update(expires_at=found.expires_at - downloads.KEPT_FOR - timedelta(seconds=1))
    assert alices.get(FILE).status_code == 404
    assert "removed after its time" in body(alices, PAGE)
    an_hour_later()
    assert not Download.objects.exists()
    assert not default_storage.exists(found.key)


def an_hour_later() -> None:
    cron.sync()
    travel(timedelta(hours=1))
    drain()


def test_a_store_that_stays_down_fails_it_and_the_page_offers_another(
    alices: Client, alice: User, settings
) -> None:
    up = settings.STORAGES
    settings.STORAGES = up | {"default": {"BACKEND": "django.core.files.storage.Storage"}}
    kept_song = a_song(alice)
    alices.post(PAGE)
    for _ in range(6):
        drain()
        travel(timedelta(minutes=5))
    assert Run.objects.get(fn_id=FN).status == "failed"
    assert "did not work" in body(alices, PAGE)
    settings.STORAGES = up
    assert alices.post(PAGE).status_code == 303
    drain()
    rows = json.loads(got(alices).read("songs.json"))
    assert [row["title"] for row in rows] == [kept_song.title]


def test_a_cancelled_one_is_said_to_have_failed(alices: Client, alice: User) -> None:
    alices.post(PAGE)
    cancel(Run.objects.get(fn_id=FN).id)
    drain()
    assert "did not work" in body(alices, PAGE)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_packs_for_a_listener_who_is_gone_stops(
    alices: Client, alice: User, monkeypatch
) -> None:
    for _ in range(3):
        kept(alice)
    alices.post(PAGE)
    written: list[str] = []
    write = packing.write_file

    def leaving_meanwhile(*args: object) -> str:
        if not written:
            with others() as start:
                start(lambda: close_account(alice)).result(PATIENCE)
        written.append(write(*args))
        return written[-1]

    monkeypatch.setattr(packing, "write_file", leaving_meanwhile)
    drain()
    assert len(written) == 2  # audio and cover of the first song
    assert not default_storage.exists("downloads")


def test_a_worker_that_dies_after_its_listener_has_left_leaves_no_file_for_long(
    alices: Client, alice: User, settings
) -> None:
    """Its file comes to the store, and the worker finds no time to remove it."""
    alices.post(PAGE)
    found = Download.objects.get()
    close_account(alice)
    drain()
    default_storage.save(found.key, ContentFile(b"everything of Alice"))
    travel(timedelta(seconds=settings.STEP_TIMEOUT))
    drain()
    assert default_storage.exists(found.key)  # a worker might still be at it
    travel(downloads.A_WHILE)
    drain()
    assert not default_storage.exists(found.key)


def test_an_operators_retry_of_a_failed_one_makes_it(
    alices: Client, alice: User, monkeypatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(packing, "pack", lambda *args: 1 / 0)
        alices.post(PAGE)
        for _ in range(6):
            drain()
            travel(timedelta(minutes=5))
    assert Download.objects.get().status == "failed"
    rerun(Run.objects.get(fn_id=FN).id)
    drain()
    assert Download.objects.get().is_ready


def test_the_songs_are_read_a_page_at_a_time(alice: User, monkeypatch) -> None:
    monkeypatch.setattr(packing, "A_PAGE", 5)
    songs = [a_song(alice).pk for _ in range(20)]
    read: list[int] = []

    def note(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if 'FROM "songs_song"' in sql and "IN (" in sql:
            read.append(sql.count("%s"))
        return result

    with io.BytesIO() as file, connection.execute_wrapper(note):
        packing.pack(alice, file, songs, lambda done: None)
    assert set(read) == {5}
    assert len(read) == 3 * 4  # for the files, and for each of the two tables


def test_with_a_bucket_it_is_packed_kept_given_and_removed_there(
    alices: Client, alice: User, settings
) -> None:
    with a_bucket(settings) as objects:
        song = kept(alice)
        a_song(alice, "one whose files the bucket has lost")
        alices.post(PAGE)
        drain()
        key = Download.objects.get().key
        with zipfile.ZipFile(io.BytesIO(objects[key])) as archive:
            rows = json.loads(archive.read("songs.json"))
            assert archive.read(rows[0]["audio"]) == f"of {song.s3_key}".encode()
            assert (rows[1]["audio"], rows[1]["cover"]) == ("missing", "missing")
        link = alices.get(FILE)
        assert link.status_code == 302
        assert f"/songs/{key}?" in link["Location"]
        assert "Signature=" in link["Location"]
        said = parse_qs(urlsplit(link["Location"]).query)
        assert said["response-content-type"] == ["application/zip"]
        named = 'attachment; filename="MelodyMaker.zip"'
        assert said["response-content-disposition"] == [named]
        assert set(objects) == {song.s3_key, song.thumbnail_s3_key, key}
        close_account(alice)
        drain()
        assert objects == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_whatever_dies_while_it_is_packed_there_is_one_file_and_it_is_whole(before: bool) -> None:
    alice = listener("alice")
    kept(alice)

    def begin() -> None:
        forget_everything()
        Download.objects.all().delete()
        downloads.order(alice)

    def ended() -> list[str]:
        found = Download.objects.get()
        assert (found.status, found.done, found.total) == ("ready", 1, 1)
        assert default_storage.size(found.key) == found.size
        with zipfile.ZipFile(default_storage.open(found.key)) as archive:
            assert archive.testzip() is None
            return sorted(archive.namelist())

    begin()
    cluster = Cluster()
    assert a_minute_later(cluster)
    whole, died = ended(), 0
    for _ in deaths(begin, cluster.boundaries(before=before)):
        assert a_minute_later(Cluster())
        assert ended() == whole
        died += 1
    assert died >= 4


def test_the_listeners_own_words_are_all_in_it(alice: User) -> None:
    said = {"prompt": "slow waltz", "lyrics": "la la la", "described_lyrics": ""}
    song = a_song(alice, "", **said)
    [row] = packing.song_rows([song.pk], {song.pk: (1, "", "")})
    assert (row["style"], row["lyrics"], row["way"]) == ("slow waltz", "la la la", song.way)


def test_a_file_is_called_as_its_song_in_every_script() -> None:
    assert file_name("👩\u200d👩\u200d👧 می\u200cخواهم", ".mp3") == (
        "👩\u200d👩\u200d👧 می\u200cخواهم.mp3"
    )
    assert file_name("\u202egpj\u2066/x", ".mp3") == "gpj x.mp3"
    assert file_name("\u3164\u200d", ".mp3") == "song.mp3"
