"""What the studio plays is sound, in every sense of the word."""

from __future__ import annotations

import io
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import soundfile

from songs.studio.recording import Recording, record
from songs.studio.score.score import Score, compose
from songs.studio.sound.loudness import measure
from songs.studio.sound.mixing import mix
from songs.studio.sound.synthesis import RATE
from songs.studio.words.brief import understand
from songs.studio.words.styles import STYLES

BALLAD, TECHNO = "sad piano ballad", "fast techno"


@cache
def recorded(description: str) -> Recording:
    return record(understand(description, duration=10, steps=6))


@cache
def heard(description: str) -> np.ndarray[Any, Any]:
    """The decoded MP3, shape (2, samples)."""
    sound, rate = soundfile.read(io.BytesIO(recorded(description).mp3), dtype="float32")
    assert rate == RATE
    return sound.T


def score(description: str, duration: float = 60, **order: Any) -> Score:
    """A score whose melody is the first draft (`steps`), which is all that a test needs."""
    return compose(understand(description, duration=duration, **{"steps": 6, **order}))


def onsets(song: Score) -> int:
    """Strokes and notes that begin in the first two seconds."""
    starts = [*(n.start for part in song.parts for n in part.notes), *(h.start for h in song.hits)]
    return sum(song.clock.seconds(start) < 2 for start in starts)


def depth(sound: np.ndarray[Any, Any]) -> float:
    """The share of two seconds' spectrum below 100 Hz."""
    spectrum = np.abs(np.fft.rfft(sound))
    return float(spectrum[:200].sum() / spectrum.sum())


def brightness(sound: np.ndarray[Any, Any]) -> float:
    """Spectral centroid in hertz."""
    spectrum = np.abs(np.fft.rfft(sound))
    return float((spectrum * np.fft.rfftfreq(len(sound), 1 / RATE)).sum() / spectrum.sum())


def test_the_same_order_gives_the_same_bytes() -> None:
    again = record(understand(TECHNO, duration=10, steps=6))
    assert again == recorded(TECHNO)


def test_another_seed_or_guidance_is_another_song() -> None:
    tunes = {
        str(score(BALLAD, **order).parts)
        for order in ({}, {"seed": 1}, {"seed": 10**30}, {"guidance": 7.5})
    }
    assert len(tunes) == 4


@pytest.mark.parametrize("description", [BALLAD, TECHNO])
def test_nothing_clips_and_nothing_drifts(description: str) -> None:
    sound = heard(description)
    assert np.abs(sound).max() < 10 ** (-1 / 20)
    assert np.abs(sound.mean(axis=1)).max() < 1e-3
    assert measure(sound) == pytest.approx(-14, abs=1.5)


@pytest.mark.parametrize("description", [BALLAD, TECHNO])
def test_no_sample_jumps_out_of_its_surroundings(description: str) -> None:
    sound = mix(score(description, 10))
    bends = np.abs(np.diff(sound, n=2, axis=1)).max(axis=0)
    around = np.convolve(bends, np.ones(882) / 882, mode="same")
    assert (bends / (around + 5e-3)).max() < 25
    assert np.abs(sound[:, [0, -1]]).max() < 1e-3


@pytest.mark.parametrize("description", [BALLAD, TECHNO])
def test_there_is_no_hole_in_the_song(description: str) -> None:
    sound = heard(description)[:, : RATE * 8]
    levels = np.sqrt((sound.reshape(2, -1, 4410) ** 2).mean(axis=(0, 2)))
    assert levels[1:].min() > 10 ** (-50 / 20)


def test_two_seconds_tell_a_ballad_from_techno() -> None:
    ballad, techno = (heard(d)[:, : 2 * RATE].mean(axis=0) for d in (BALLAD, TECHNO))
    assert score(TECHNO).form.tempo > 1.6 * score(BALLAD).form.tempo
    assert onsets(score(TECHNO, 10)) > 2 * onsets(score(BALLAD, 10))
    assert depth(techno) > 1.5 * depth(ballad)
    assert brightness(ballad) != pytest.approx(brightness(techno), rel=0.1)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_melodies_rest_on_the_harmony(style: str) -> None:
    song = score(style, 60)
    tune = [
        n for part in song.parts if part.role in ("voice", "lead", "second") for n in part.notes
    ]
    weighty = [n for n in tune if n.start % song.form.beats == 0]
    slots = [next(s for s in reversed(song.slots) if s.start <= n.start) for n in weighty]
    fitting = [n.pitch % 12 in slot.chord.classes for n, slot in zip(weighty, slots, strict=True)]
    assert len(weighty) >= 3
    assert np.mean(fitting) > 0.95
    assert song.slots[-1].chord.root == song.brief.tonic


@pytest.mark.parametrize("style", sorted(STYLES))
@pytest.mark.parametrize("duration", [10, 240])
def test_the_last_chord_comes_in_time_to_ring(style: str, duration: float) -> None:
    song = score(style, duration)
    last = song.clock.seconds(song.form.ending.first_bar * song.form.beats)
    assert 1.5 <= duration - last <= 9
    kinds = [section.kind for section in song.form.sections]
    assert kinds[-1] == "ending"
    assert duration < 200 or {"intro", "verse", "chorus", "bridge"} <= set(kinds)


def test_a_chorus_is_louder_than_a_verse() -> None:
    song = score("happy pop song at 160 bpm", 20, instrumental=True)
    sound = mix(song).mean(axis=0)

    def level(kind: str) -> float:
        section = next(s for s in song.form.sections if s.kind == kind)
        bars = (section.first_bar, section.end_bar)
        start, end = (round(song.clock.seconds(bar * song.form.beats) * RATE) for bar in bars)
        return float(np.sqrt(np.mean(sound[start:end] ** 2)))

    assert level("chorus") > 1.05 * level("verse")


def test_the_file_carries_a_title_and_none_of_the_listener_s_words() -> None:
    with soundfile.SoundFile(io.BytesIO(recorded(BALLAD).mp3)) as file:
        assert re.fullmatch(r"Ballad in [A-G][b#]?( minor)?", file.title)
        assert (file.artist, file.genre) == ("MelodyMaker Studio", "Ballad")
        assert not file.comment
    assert b"piano" not in recorded(BALLAD).mp3[:4096]
