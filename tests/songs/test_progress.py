"""How long songs usually take, and the listener's line, in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from songs.models import SongStatus, User
from songs.progress import UsualTime, cards, usual_time
from tests.support.cast import a_song


def made_in(
    owner: User, seconds: float, ended_ago: float = 0, *, turn_after: float = 0, **facts: Any
) -> None:
    end = timezone.now() - timedelta(seconds=ended_ago)
    ordered = end - timedelta(seconds=seconds)
    started = ordered + timedelta(seconds=turn_after) if turn_after else None
    a_song(owner, created_at=ordered, started_at=started, finished_at=end, **facts)


def test_with_too_few_songs_nothing_is_promised(alice: User) -> None:
    for _ in range(4):
        made_in(alice, 10)
    assert usual_time() is None


def test_the_usual_time_is_the_middle_half(alice: User) -> None:
    for seconds in (10, 20, 30, 40, 1000):
        made_in(alice, seconds)
    assert usual_time() == UsualTime(low=20, high=40)


def test_only_the_newest_fifty_count(alice: User) -> None:
    for _ in range(5):
        made_in(alice, 900, ended_ago=3600)
    for _ in range(50):
        made_in(alice, 10)
    assert usual_time() == UsualTime(low=10, high=10)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1, 4, "under 5 seconds"),
        (8, 13, "5–15 seconds"),
        (20, 60, "20–60 seconds"),
        (40, 70, "1–2 minutes"),
        (100, 160, "2–3 minutes"),
        (118, 119, "about 2 minutes"),
    ],
)
def test_a_range_is_said_in_round_words(low: float, high: float, words: str) -> None:
    assert str(UsualTime(low, high)) == words


def test_songs_of_one_listener_wait_for_each_other(alice: User, bob: User) -> None:
    a_song(bob, status=SongStatus.QUEUED)
    songs = [a_song(alice, status=SongStatus.QUEUED) for _ in range(3)]
    assert [card.ahead for card in cards(alice, songs)] == [0, 1, 2]
    assert [card.status_line for card in cards(alice, songs)] == [
        "In line: it starts in a moment",
        "In line: one of your songs is made first",
        "In line: 2 of yours are made first",
    ]


def test_a_song_is_compared_with_songs_of_its_length(alice: User) -> None:
    for _ in range(5):
        made_in(alice, 10, audio_duration=60.0)
        made_in(alice, 200, audio_duration=240.0)
    assert usual_time(60) == usual_time(50) == UsualTime(low=10, high=10)
    assert usual_time(200) == UsualTime(low=200, high=200)
    short, long = (
        a_song(alice, status=SongStatus.PROCESSING, audio_duration=length) for length in (60, 240)
    )
    assert [card.usual and card.usual.high for card in cards(alice, [short, long])] == [10, 200]


def test_without_songs_of_its_length_all_songs_count(alice: User) -> None:
    for _ in range(5):
        made_in(alice, 10, audio_duration=60.0)
    assert usual_time(240) == UsualTime(low=10, high=10)


def test_the_wait_for_its_turn_is_not_the_time_that_a_song_takes(alice: User) -> None:
    for _ in range(5):
        made_in(alice, 500, turn_after=480)
    assert usual_time() == UsualTime(low=20, high=20)


def test_looking_back_reads_a_limited_number_of_songs(alice: User) -> None:
    for _ in range(3):
        made_in(alice, 10)
    with CaptureQueriesContext(connection) as queries:
        usual_time(60)
    assert [query["sql"].endswith("LIMIT 200") for query in queries] == [True]


def test_the_tab_says_how_a_song_is_going(alice: User) -> None:
    songs = [a_song(alice, title="Cats", status=status) for status in SongStatus]
    assert {card.song.status: card.tab for card in cards(alice, songs)} == {
        "queued": "#1 in line · Cats",
        "processing": "Being made · Cats",
        "processed": "Ready · Cats",
        "failed": "Did not work · Cats",
        "no credits": "Not made · Cats",
        "cancelled": "Cancelled · Cats",
    }
