"""Textures: quiet noise under a song whose description names weather or old records."""

from __future__ import annotations

import numpy as np

from songs.studio.sound.synthesis import RATE, Audio, noise, ramp_up

# name -> (from Hz, to Hz, tilt dB per octave, level)
BANDS = {
    "rain": (600, 9000, -2.0, 0.011),
    "waves": (150, 3500, -4.0, 0.02),
    "wind": (120, 900, -3.0, 0.016),
    "tape": (1500, 9000, -3.0, 0.003),
    "vinyl": (300, 6000, -4.0, 0.0022),
}


def texture(name: str, samples: int, dice: np.random.Generator) -> Audio:
    """A bed of noise, made of a few seconds that overlap without a seam."""
    length = min(samples, 8 * RATE)
    low, high, tilt, level = BANDS[name]
    sides = []
    for _ in range(2):
        loop = noise(length / RATE, low, high, dice, tilt)[:length]
        sides.append(np.tile(loop, -(-samples // length))[:samples])
    bed = np.stack(sides) * np.float32(level)
    if name in ("waves", "wind"):
        t = np.arange(samples, dtype=np.float32) / RATE
        bed *= (0.55 + 0.45 * np.sin(2 * np.pi * t / 7.3)).astype(np.float32)
    if name in ("rain", "vinyl"):
        _sprinkle(bed, 9.0 if name == "vinyl" else 30.0, 0.05 if name == "vinyl" else 0.02, dice)
    return bed


def _sprinkle(bed: Audio, rate: float, level: float, dice: np.random.Generator) -> None:
    """Drops or crackles: short ticks at random places."""
    tick = noise(0.004, 1500, 7000, dice) * ramp_up(176)[::-1]
    for place in dice.integers(0, max(1, bed.shape[1] - 200), int(bed.shape[1] / RATE * rate)):
        side, force = int(dice.integers(2)), dice.random() ** 3 * level
        bed[side, place : place + 176] += tick[:176] * np.float32(force)
