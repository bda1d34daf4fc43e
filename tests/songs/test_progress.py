"""How long songs usually take, and the listener's line, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from songs.models import SongStatus, User
from songs.progress import UsualTime, cards, usual_time
from tests.support.cast import a_song


def made_in(owner: User, seconds: float, ended_ago: float = 0) -> None:
    end = timezone.now() - timedelta(seconds=ended_ago)
    a_song(owner, created_at=end - timedelta(seconds=seconds), finished_at=end)


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
