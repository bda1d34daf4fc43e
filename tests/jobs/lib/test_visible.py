"""What shows nothing is no text, and a line keeps what joins letters and emoji."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.api import one_line, shows

UNSEEN = ["\u200b", "\u2060", "\ufeff", "\u2800", "\u3164", "\u00ad", "\u200d", "\ufe0f"]
UNSEEN += ["\uffa0", "\u115f", "\u034f", "\u202e", "\u00a0", "\u3000", "\U000e0041", "\ue000"]


@pytest.mark.parametrize("sign", UNSEEN)
def test_signs_that_cannot_be_seen_are_no_text(sign: str) -> None:
    assert not shows(sign)
    assert not shows(f" {sign}\n{sign * 5} ")
    assert one_line(sign * 3) == ""
    assert shows(f"{sign}a{sign}")


@pytest.mark.parametrize("text", ["a", "…", "🎵", "عـ", "歌", "é", "\U0001fa77", "٪"])
def test_letters_signs_and_emoji_are_text(text: str) -> None:
    assert shows(text)
    assert one_line(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧‍👦 at home",
        "❤️‍🔥",
        "👩🏽‍🎤",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿 reel",
        "می‌خواهم",
        "क्‍ष",
        "☀️ and ☀︎",
    ],
)
def test_a_line_keeps_what_joins_letters_and_emoji(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\u202eb\u2066c\u2069d\u202c", "a b c d"),
        ("a\x07b\nc\u2028d", "a b c d"),
        ("\u200da \u200cb\u200d c\u200d\u200d\u200dd\u200c", "a b c\u200dd"),
        ("a\U000e0067\U000e0062b", "a b"),
    ],
)
def test_a_line_drops_what_turns_its_direction_and_what_joins_nothing(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text())
def test_a_line_of_a_line_is_itself_and_shows_something_or_is_empty(text: str) -> None:
    line = one_line(text)
    assert one_line(line) == line
    assert bool(line) == shows(text)
    assert not set(line) & set("\n\r\t\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
