"""Loudness after ITU-R BS.1770: K-weighting, 400 ms blocks, two gates."""

from __future__ import annotations

import math

import numpy as np

from songs.studio.sound.pedals import Chain, Filter, linear, steep_high_pass
from songs.studio.sound.synthesis import RATE, Audio

HOP = RATE // 10
SILENCE_LUFS = -70.0


def measure(sound: Audio) -> float:
    """Integrated loudness in LUFS of a stereo signal, shape (2, samples); -70 for silence."""
    weighting = Chain([_head(), steep_high_pass(38.1355, 0.500327)])
    power: list[float] = []
    for start in range(0, sound.shape[1], HOP * 100):
        block = weighting(sound[:, start : start + HOP * 100])
        usable = block[:, : block.shape[1] // HOP * HOP].reshape(2, -1, HOP)
        power += list(np.mean(usable.astype(np.float64) ** 2, axis=2).sum(axis=0))
    if len(power) < 4:
        return SILENCE_LUFS
    blocks = np.convolve(power, np.full(4, 0.25), mode="valid")
    blocks = blocks[_lufs(blocks) > SILENCE_LUFS]
    if not blocks.size:
        return SILENCE_LUFS
    gate = _lufs(np.mean(blocks)) - 10
    return float(_lufs(np.mean(blocks[_lufs(blocks) > gate])))


def _head() -> Filter:
    """What a head does to sound: 4 dB more above 1.7 kHz. The standard gives the coefficients for
    48 kHz; these are the same filter's for any rate."""
    k, quality = math.tan(math.pi * 1681.974 / RATE), 0.7071752
    high = linear(3.99984)
    middle = high**0.4996668
    return Filter(
        [
            high + middle * k / quality + k * k,
            2 * (k * k - high),
            high - middle * k / quality + k * k,
        ],
        [1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k],
    )


def active_rms(sound: Audio) -> float:
    """RMS of a stem where it plays. Blocks 10 dB below the mean of the rest do not count."""
    usable = sound[:, : sound.shape[1] // HOP * HOP].reshape(2, -1, HOP)
    power = np.einsum("cbh,cbh->b", usable, usable) / HOP
    power = power[power > 1e-9]
    if not power.size:
        return 1.0
    playing = power[power > np.mean(power) / 10]
    return float(np.sqrt(np.mean(playing)))


def _lufs(power: np.typing.NDArray[np.float64] | np.floating) -> np.typing.NDArray[np.float64]:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-12))
