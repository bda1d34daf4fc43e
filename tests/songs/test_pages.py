"""What every page promises: a strict policy, escaped words, news until a song is finished."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from songs.models import Category, Song, SongStatus, User
from tests.support.cast import a_song

EVIL = '<script>alert("x")</script>'
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE
)


@pytest.fixture
def pages(alice: User) -> list[str]:
    song = a_song(alice, EVIL, title=EVIL)
    song.categories.add(Category.objects.create(name=EVIL, folded=EVIL))
    making = a_song(alice, EVIL, title=EVIL, status=SongStatus.PROCESSING)
    failed = a_song(alice, EVIL, title=EVIL, status=SongStatus.FAILED, reason=EVIL)
    cards = f"/songs/cards?song={song.pk}:x&song={making.pk}:x&song={failed.pk}:x"
    parts = [f"/songs/{s.pk}{part}" for s in (song, making, failed) for part in ("/", "/card")]
    return ["/", "/songs/", f"/?like={song.pk}", cards, *parts, "/nothing-here"]


def test_pages_run_nothing_that_a_song_brought_along(alices: Client, pages: list[str]) -> None:
    for page in pages:
        answer = alices.get(page)
        text = answer.content.decode()
        assert EVIL not in text, page
        assert not INLINE.search(text), (page, INLINE.search(text))
        assert answer["Content-Security-Policy"].startswith("default-src 'self';"), page
    assert "&lt;script&gt;" in alices.get("/songs/").content.decode()


def test_strangers_see_the_landing_page(client: Client, db) -> None:
    text = client.get("/").content.decode()
    assert "Make your first song" in text
    assert not INLINE.search(text)


def test_a_card_asks_for_news_until_its_song_is_finished(alices: Client, alice: User) -> None:
    song = a_song(alice, status=SongStatus.QUEUED)
    address = f"/songs/{song.pk}/card"
    assert f'hx-get="{address}?seen=queued.0"' in alices.get(f"/songs/{song.pk}/").content.decode()
    assert alices.get(f"{address}?seen=queued.0").status_code == 204

    Song.objects.filter(pk=song.pk).update(status=SongStatus.PROCESSED, s3_key="a.mp3")
    news = alices.get(f"{address}?seen=queued.0").content.decode()
    assert "hx-trigger" not in news
    assert "Ready to play" in news
    assert 'id="live" hx-swap-oob' in news


@pytest.mark.parametrize("status", [s for s in SongStatus if s not in ("queued", "processing")])
def test_no_finished_song_asks_for_news(alices: Client, alice: User, status: str) -> None:
    made = {"s3_key": "a.mp3"} if status == "processed" else {}
    song = a_song(alice, status=status, **made)
    for page in ("/", "/songs/", f"/songs/{song.pk}/"):
        assert "hx-trigger" not in alices.get(page).content.decode()


def test_a_list_asks_once_for_all_its_unfinished_songs(alices: Client, alice: User) -> None:
    first, second = (a_song(alice, status=SongStatus.QUEUED) for _ in range(2))
    a_song(alice)
    text = alices.get("/songs/").content.decode()
    watch = f"/songs/cards?song={second.pk}:queued.1&amp;song={first.pk}:queued.0"
    assert text.count("hx-trigger") == 1
    assert f'hx-get="{watch}"' in text
    assert alices.get(watch.replace("&amp;", "&")).status_code == 204

    Song.objects.filter(pk=first.pk).update(status=SongStatus.FAILED)
    news = alices.get(watch.replace("&amp;", "&")).content.decode()
    assert f'id="card-{first.pk}" hx-swap-oob="true"' in news
    assert f"song={second.pk}:queued.0" in news
    assert f"song={first.pk}" not in news


@pytest.mark.parametrize("query", ["", "?song=", "?song=x:y", "?song=%01:1", "?song=a&song=b:c:d"])
def test_a_garbled_question_for_news_is_no_error(alices: Client, query: str) -> None:
    assert alices.get(f"/songs/cards{query}").status_code in (200, 204)


def test_a_failed_song_says_why_and_that_it_was_free(alices: Client, alice: User) -> None:
    told = a_song(alice, status=SongStatus.FAILED, reason="The studio was closed.")
    untold = a_song(alice, status=SongStatus.CANCELLED)
    page = alices.get(f"/songs/{told.pk}/").content.decode()
    assert "The studio was closed." in page
    assert f'action="/songs/{told.pk}/again"' in page
    assert "This one was free." in alices.get(f"/songs/{untold.pk}/").content.decode()


def test_an_empty_library_says_what_to_do(alices: Client) -> None:
    assert "No songs yet." in alices.get("/songs/").content.decode()
    assert "Nothing here yet." in alices.get("/").content.decode()


def test_the_library_has_pages_and_the_wildest_number_is_one_of_them(
    alices: Client, alice: User
) -> None:
    for number in range(30):
        a_song(alice, f"song number {number:02}")
    assert "Page 1 of 2" in alices.get("/songs/").content.decode()
    for page in ("2", "999", "-1"):
        assert "Page 2 of 2" in alices.get(f"/songs/?page={page}").content.decode()
    assert "Page 1 of 2" in alices.get("/songs/?page=wild").content.decode()


def test_a_library_costs_the_same_number_of_queries_however_long(
    alices: Client, alice: User, django_assert_max_num_queries
) -> None:
    for _ in range(24):
        a_song(alice).categories.add(Category.objects.get_or_create(name="a", folded="a")[0])
        a_song(alice, status=SongStatus.QUEUED)
    with django_assert_max_num_queries(12):
        alices.get("/songs/")


def test_a_song_is_renamed(alices: Client, alice: User) -> None:
    song = a_song(alice)
    assert alices.post(f"/songs/{song.pk}/rename", {"title": "Cats"}).status_code == 303
    assert Song.objects.get().title == "Cats"


@pytest.mark.parametrize(
    ("title", "sentence"),
    [(" ", "A song needs a title."), ("x" * 81, "That title has 81 characters; 80 are allowed.")],
)
def test_a_bad_title_comes_back_with_its_sentence(
    alices: Client, alice: User, title: str, sentence: str
) -> None:
    song = a_song(alice)
    answer = alices.post(f"/songs/{song.pk}/rename", {"title": title})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Song.objects.get().title == "A waltz for two cats"


def test_a_defect_shows_a_page_and_no_traceback(alices: Client, monkeypatch) -> None:
    def broken(user: User) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("songs.views.credits.balance", broken)
    alices.raise_request_exception = False
    answer = alices.get("/")
    assert answer.status_code == 500
    assert "A string has snapped" in answer.content.decode()
    assert "secret detail" not in answer.content.decode()
