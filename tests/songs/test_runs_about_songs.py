"""The list of runs says which song and which listener a run is about, and is searched by them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.urls import reverse

from songs.links import run_search, runs_about
from songs.models import Song, User
from tests.support import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def song() -> Song:
    song = cast.a_song(cast.alice())
    Song.objects.filter(pk=song.pk).update(title="A waltz for two cats", event_id=uuid.uuid4())
    song.refresh_from_db()
    return song


def order(song: Song) -> dict[str, Any]:
    return {"songId": str(song.pk), "userId": song.owner_id}


def test_each_event_has_its_song_and_its_listener_in_at_most_two_queries(
    song: Song, django_assert_num_queries: Any
) -> None:
    olga = cast.olga()
    hook = {"event": {"data": order(song)}, "error": {}}
    foreign = order(song) | {"userId": olga.pk}
    odd = [None, [], {"songId": 5}, {"songId": "x", "userId": -1}, {"userId": 2**70}]

    with django_assert_num_queries(2):
        found = runs_about(olga, [order(song), hook, foreign, *odd])

    links = [
        ("A waltz for two cats", reverse("admin:songs_song_change", args=[song.pk])),
        ("alice", reverse("admin:songs_user_change", args=[song.owner_id])),
    ]
    assert found[:2] == [links, links]
    assert [label for label, _ in found[2]] == ["olga"]
    assert found[3:] == [[]] * len(odd)


@pytest.mark.parametrize(
    ("permissions", "labels"),
    [
        ([], []),
        (["view_song"], ["A waltz for two cats"]),
        (["view_user"], ["alice"]),
        (["view_song", "view_user"], ["A waltz for two cats", "alice"]),
        (["view_payload"], ["A waltz for two cats", "alice"]),
    ],
)
def test_an_account_reads_only_what_it_may_see(
    song: Song, permissions: list[str], labels: list[str]
) -> None:
    viola: User = cast.staff("viola", *permissions)

    assert [label for label, _ in runs_about(viola, [order(song)])[0]] == labels


@pytest.mark.parametrize("words", ["two CATS", "alice"])
def test_an_account_finds_runs_by_words_of_songs_and_listeners_if_it_may_see_payloads(
    song: Song, words: str
) -> None:
    viola: User = cast.staff("viola", "view_run", "view_song", "view_user")
    vera: User = cast.staff("vera", "view_run", "view_payload")

    assert run_search(viola, words, 10) == []
    assert run_search(vera, words, 10) == [song.event_id]


def test_a_search_finds_no_more_than_it_is_asked_for(song: Song) -> None:
    for _ in range(3):
        another = cast.a_song(song.owner)
        Song.objects.filter(pk=another.pk).update(title="Cats again", event_id=uuid.uuid4())

    assert len(run_search(cast.olga(), "cats", 2)) == 2
    assert run_search(song.owner, "cats", 9) == []  # a listener has no permission


def test_an_e_mail_address_is_searched_for_accounts_that_may_see_listeners_alone(
    song: Song,
) -> None:
    reader, both = (
        cast.staff("reader", "view_payload"),
        cast.staff("both", "view_payload", "view_user"),
    )

    assert run_search(both, "alice@example", 9) == [song.event_id]
    assert run_search(reader, "alice@example", 9) == []
    assert run_search(reader, "alice", 9) == [song.event_id]
