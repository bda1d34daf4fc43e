"""The studio's filters, rooms and limiter do what their names say."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest

from songs.studio.sound import pedals
from songs.studio.sound.loudness import measure
from songs.studio.sound.synthesis import RATE

SECONDS = np.arange(2 * RATE) / RATE


def tone(hertz: float, level: float = 0.1) -> np.ndarray:
    wave = level * np.sin(2 * np.pi * hertz * SECONDS)
    return np.stack([wave, wave]).astype(np.float32)


def gain(effect: pedals.Effect, hertz: float, level: float = 0.1) -> float:
    """What is left of a tone, once the effect has settled, in decibels."""
    sound = tone(hertz, level)
    heard = effect(sound)[:, RATE:]
    return float(10 * np.log10((heard**2).mean() / (sound[:, RATE:] ** 2).mean()))


@pytest.mark.parametrize(
    ("effect", "hertz", "decibels"),
    [
        (pedals.low_pass(1000), 1000, -3.0),
        (pedals.low_pass(1000), 100, 0.0),
        (pedals.high_pass(1000), 1000, -3.0),
        (pedals.high_pass(1000), 125, -18.1),
        (pedals.peak(1000, 6, 1), 1000, 6.0),
        (pedals.peak(1000, 6, 1), 60, 0.0),
        (pedals.high_shelf(1000, 4), 15_000, 4.0),
        (pedals.high_shelf(1000, 4), 50, 0.0),
        (pedals.low_shelf(1000, -4), 50, -4.0),
        (pedals.low_shelf(1000, -4), 15_000, 0.0),
        (pedals.Gain(-6), 1000, -6.0),
    ],
)
def test_a_filter_changes_a_tone_by_its_decibels(effect, hertz, decibels):
    assert gain(effect, hertz) == pytest.approx(decibels, abs=0.2)


def test_a_compressor_lets_what_is_quiet_pass_and_brings_what_is_loud_nearer():
    assert gain(pedals.Compressor(-20, 4, 5, 100), 1000, level=0.05) == pytest.approx(0, abs=0.1)
    assert gain(pedals.Compressor(-20, 4, 5, 100), 1000, level=1.0) == pytest.approx(-15, abs=1)


BLOCKWISE = {
    "filter": lambda: pedals.high_shelf(3000, 5),
    "compressor": lambda: pedals.Compressor(-20, 3, 5, 80),
    "chorus": lambda: pedals.Chorus(1.1, 0.2, 7, 0.4),
    "phaser": lambda: pedals.Phaser(0.4, 250, 1000, 0.4),
    "echo": lambda: pedals.Echo(0.31, 0.3),
    "room": lambda: pedals.Room(0.4, 0.45, 1.0),
}


@pytest.mark.parametrize("name", BLOCKWISE)
def test_an_effect_sounds_the_same_in_blocks_as_in_one_piece(name):
    sound = np.random.default_rng(1).normal(0, 0.1, (2, 1 << 16)).astype(np.float32)
    whole, effect = BLOCKWISE[name]()(sound), BLOCKWISE[name]()
    blocks = [effect(sound[:, at : at + 4096]) for at in range(0, sound.shape[1], 4096)]
    assert np.abs(np.concatenate(blocks, axis=1) - whole).max() < 1e-4


def test_an_echo_comes_back_softer_each_time():
    click = np.zeros((2, RATE), dtype=np.float32)
    click[:, 0] = 1.0
    heard = pedals.Echo(0.25, 0.5)(click)[0]
    assert np.flatnonzero(heard).tolist() == [RATE // 4, RATE // 2, 3 * RATE // 4]
    assert heard[heard != 0].tolist() == [1.0, 0.5, 0.25]


def test_a_larger_room_rings_longer_and_both_ears_hear_another_one():
    small, large = pedals.response(0.2, 0.45), pedals.response(0.9, 0.45)
    assert large.shape[1] > 2 * small.shape[1]
    assert abs(np.corrcoef(large)[0, 1]) < 0.5


def test_nothing_passes_the_limiter_and_what_is_quiet_stays_as_it_is():
    sound = tone(440, 0.2)
    sound[:, RATE : RATE + 200] *= 8
    heard = pedals.Limiter(-6, 120, 5)(sound)
    assert np.abs(heard).max() <= pedals.linear(-6) + 1e-6
    assert np.array_equal(heard[:, : RATE - 500], sound[:, : RATE - 500])


@pytest.mark.parametrize("hertz", [60, 997, 8000])
def test_loudness_is_what_another_meter_of_the_same_standard_says(hertz):
    sound = tone(hertz)
    other = pyloudnorm.Meter(RATE).integrated_loudness(sound.T.astype(np.float64))
    assert measure(sound) == pytest.approx(other, abs=0.1)
