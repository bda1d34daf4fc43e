"""Loudness after ITU-R BS.1770: K-weighting, 400 ms blocks, two gates."""

from __future__ import annotations

import numpy as np
import pedalboard as pb

from .synthesis import RATE, Audio

HOP = RATE // 10
SILENCE_LUFS = -70.0


def measure(sound: Audio) -> float:
    """Integrated loudness in LUFS of a stereo signal, shape (2, samples); -70 for silence."""
    weighting = pb.Pedalboard(
        [pb.HighShelfFilter(1500, 4.0, 0.7071), pb.HighpassFilter(38), pb.HighpassFilter(38)]
    )
    power: list[float] = []
    for start in range(0, sound.shape[1], HOP * 100):
        block = weighting(sound[:, start : start + HOP * 100], RATE, reset=start == 0)
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
