"""The library: a listener finds a song among many, and looking costs the same however many."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from django.test import Client

from songs.models import Category, Song, SongStatus, User
from songs.titles import title_from
from tests.support.cast import a_song

pytestmark = pytest.mark.django_db
CARD = re.compile(r'id="card-([0-9a-f-]+)"')


def found(client: Client, query: str) -> set[str]:
    return set(CARD.findall(client.get(f"/songs/?{query}").content.decode()))


def ids(*songs: Song) -> set[str]:
    return {str(song.pk) for song in songs}


@pytest.fixture
def waltz(alice: User) -> Song:
    return a_song(alice, "a waltz for two cats")


@pytest.fixture
def march(alice: User) -> Song:
    song = a_song(alice, "", title="Parade", prompt="march, brass", lyrics="Left right, 100% left")
    song.categories.add(Category.objects.create(name="Brass Band", folded="brass band"))
    return song


@pytest.fixture
def failed(alice: User) -> Song:
    return a_song(alice, "a tango", status=SongStatus.FAILED)


def test_words_are_found_in_titles_wishes_styles_and_lyrics(
    alices: Client, waltz: Song, march: Song, failed: Song
) -> None:
    assert found(alices, "q=CATS+waltz") == ids(waltz)
    assert (
        found(alices, "q=parade")
        == found(alices, "q=brass")
        == found(alices, "q=left")
        == ids(march)
    )
    assert found(alices, "q=cats+brass") == set()
    assert "None of your songs fits" in alices.get("/songs/?q=cats+brass").content.decode()


@pytest.mark.parametrize("typed", ["100%", "%", "_", "\\", "'", "😀", "x" * 5000, "   "])
def test_whatever_is_typed_is_looked_for_literally(
    alices: Client, waltz: Song, march: Song, typed: str
) -> None:
    expected = {
        "100%": ids(march),
        "%": ids(march),
        "   ": ids(waltz, march),
    }
    assert found(alices, f"q={quote(typed)}") == expected.get(typed, set())


def test_songs_are_filtered_by_status_and_category(
    alices: Client, alice: User, waltz: Song, march: Song, failed: Song
) -> None:
    making = a_song(alice, status=SongStatus.QUEUED)
    assert found(alices, "status=ready") == ids(waltz, march)
    assert found(alices, "status=unmade") == ids(failed)
    assert found(alices, "status=making") == ids(making)
    assert found(alices, "status=nonsense") == ids(waltz, march, failed, making)
    assert found(alices, "category=brass+band") == ids(march)
    assert found(alices, "category=Brass++BAND") == ids(march)
    assert found(alices, "category=tango") == set()
    assert found(alices, "category=brass+band&status=unmade") == set()
    assert "Brass Band (1)" in alices.get("/songs/").content.decode()


def test_a_listener_finds_no_song_of_another(bobs: Client, waltz: Song, march: Song) -> None:
    assert found(bobs, "q=waltz") == found(bobs, "category=brass+band") == set()
    assert "Brass Band" not in bobs.get("/songs/").content.decode()


def test_the_next_page_asks_for_the_same(alices: Client, alice: User) -> None:
    for _ in range(30):
        a_song(alice, "a waltz")
        a_song(alice, "a march")
    page = alices.get("/songs/?q=waltz&status=ready").content.decode()
    assert "30 songs" in page
    assert 'href="?q=waltz&amp;status=ready&amp;page=2"' in page
    assert len(found(alices, "q=waltz&status=ready&page=2")) == 6


def test_the_library_of_two_thousand_songs_costs_ten_queries_and_one_page(
    alices: Client, alice: User, django_assert_max_num_queries
) -> None:
    kinds = [Category.objects.create(name=f"Kind {n}", folded=f"kind {n}") for n in range(60)]
    songs = Song.objects.bulk_create(
        Song(
            owner=alice, full_described_song=f"song {n}", title=title_from(f"song number {n}"),
            seed=n, status=SongStatus.PROCESSED, s3_key=f"{n}.mp3", peaks=bytes(96),
        )
        for n in range(2000)
    )  # fmt: skip
    tags = Song.categories.through
    tags.objects.bulk_create(
        tags(song=song, category=kinds[(n + k) % 60])
        for n, song in enumerate(songs)
        for k in (0, 7)
    )
    for status in (SongStatus.QUEUED, SongStatus.FAILED):
        a_song(alice, status=status)
    for query in ("", "?page=80", "?q=number+19", "?category=kind+3&status=ready"):
        with django_assert_max_num_queries(10):
            page = alices.get(f"/songs/{query}")
        assert len(page.context["cards"]) <= 24
        assert len(page.content) < 120_000
