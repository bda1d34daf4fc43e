"""The studio understands what a listener writes, and makes the best of what it does not."""

from __future__ import annotations

import pytest

from songs.studio.score.score import compose
from songs.studio.words.brief import understand
from songs.studio.words.vocabulary import GENRE_WORDS


@pytest.mark.parametrize(
    ("description", "style"),
    [
        ("A sad piano ballad about rain", "piano ballad"), ("lo-fi beats to study to", "lo-fi"),
        ("hard TECHNO", "techno"), ("deep house", "house"), ("ambient drone", "ambient"),
        ("indie rock anthem", "rock"), ("jazz piano trio", "jazz"), ("acoustic folk tune", "folk"),
        ("epic orchestral battle", "cinematic"), ("80s synthwave", "synthwave"),
        ("hip-hop", "hip hop"), ("dark trap beat", "trap"), ("roots reggae", "reggae"),
        ("viennese waltz", "waltz"), ("military march", "march"), ("church hymn", "hymn"),
        ("bossa nova on the beach", "bossa nova"), ("drum & bass", "drum and bass"),
        ("heavy metal", "metal"), ("slow blues", "blues"), ("country road song", "country"),
        ("8-bit chiptune", "chiptune"), ("r&b slow jam", "soul"),
    ],
)  # fmt: skip
def test_a_genre_is_recognised(description: str, style: str) -> None:
    assert understand(description).style.name == style


def test_tempo_words_and_numbers_are_heeded() -> None:
    assert understand("house at 128 bpm").tempo == 128
    assert compose(understand("house at 128 bpm", duration=61)).form.tempo == 128
    assert understand("slow rock").tempo < understand("rock").tempo < understand("fast rock").tempo


def test_no_drums_means_none() -> None:
    assert compose(understand("rock", duration=20, steps=6)).hits
    for description in ("rock, no drums", "rock without any drums", "drumless rock"):
        assert not compose(understand(description, duration=20, steps=6)).hits


def test_named_instruments_play_and_refused_ones_do_not() -> None:
    song = compose(understand("folk with flute and strings and harp", duration=30, steps=6))
    assert {"flute", "strings", "harp"} <= {part.instrument for part in song.parts}
    without = compose(understand("pop, no piano", duration=30, steps=6))
    assert "piano" not in {part.instrument for part in without.parts}


def test_an_instrumental_has_no_voice() -> None:
    def players(**order: bool) -> set[str]:
        song = compose(understand("pop", duration=30, steps=6, **order))
        return {part.instrument for part in song.parts}

    assert "voice" in players()
    assert "voice" not in players(instrumental=True)


def test_sad_is_minor_and_happy_is_major() -> None:
    assert all(not understand("sad pop", seed=seed).bright for seed in range(8))
    assert all(understand("happy pop", seed=seed).bright for seed in range(8))


def test_a_key_that_is_named_is_kept() -> None:
    brief = understand("piano ballad in F sharp minor")
    assert (brief.tonic, brief.mode) == (6, "minor")


@pytest.mark.parametrize(
    "description",
    ["🎸🔥", "?!…", "zxqv wrmpf", "雨の夜の歌", "a" * 2000, "la " * 600, "\x00\x07", "ноктюрн",
     "no no no", "without", "999 bpm", "0 bpm", "<script>alert(1)</script>"],
)  # fmt: skip
def test_words_that_the_studio_does_not_know_still_give_a_song(description: str) -> None:
    brief = understand(description, duration=15, steps=6)
    song = compose(brief)
    assert len(song.parts) >= 3
    assert 3 <= len(brief.categories) <= 5
    assert 0 < len(brief.title) <= 61
    assert brief.title.isprintable()


def test_every_word_of_the_vocabulary_leads_to_three_to_five_categories() -> None:
    for genre in GENRE_WORDS:
        categories = understand(genre).categories
        assert 3 <= len(categories) <= 5, genre
        assert len(set(categories)) == len(categories), genre


def test_categories_say_what_was_understood() -> None:
    assert understand("slow sad lo-fi with rhodes").categories[:4] == (
        "Lo-fi",
        "Rhodes",
        "Sad",
        "Slow",
    )
