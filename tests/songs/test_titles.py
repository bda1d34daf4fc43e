"""A title made from a description."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.api import shows
from songs.titles import MAX_LENGTH, title_from, title_from_lyrics


@pytest.mark.parametrize(
    ("description", "title"),
    [
        ("a waltz for two cats", "A waltz for two cats"),
        ("warm lo-fi beat for a rainy evening, soft piano", "Warm lo-fi beat for a rainy evening"),
        ("Sad, slow and in a minor key", "Sad, slow and in a minor key"),
        ("  many \n\n spaces\there  ", "Many spaces here"),
        ("éclair music", "Éclair music"),
        ("in 3.5 minutes to the moon. And back", "In 3.5 minutes to the moon"),
        ("x" * 70, "X" + "x" * 58 + "…"),
        ("\u3164" * 9 + ", a song", "\u3164" * 9 + ", a song"),
        ("👩‍👩‍👧 at home, singing", "👩‍👩‍👧 at home"),
        ("می‌خواهم بخوانم", "می‌خواهم بخوانم"),
        ("word " * 30, "Word word word word word word word word word word word word…"),
    ],
)
def test_a_title_is_the_first_clause_capitalised(description: str, title: str) -> None:
    assert title_from(description) == title


def test_a_title_begins_with_a_line_of_the_lyrics_that_shows_something() -> None:
    assert title_from_lyrics("[verse]\n\u200b\n\u2800\nwe sing") == "We sing"


@given(st.text(min_size=1).filter(shows))
def test_a_title_is_never_empty_and_always_fits(description: str) -> None:
    capitals = 3  # characters that ß and the like grow by
    assert 0 < len(title_from(description)) <= MAX_LENGTH + capitals
