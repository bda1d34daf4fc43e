"""Synthesis: the few primitives that every sound is made of. Mono float32 at 44.1 kHz.

Most instruments use `ring`, a sum of damped sinusoids. It splits time into blocks, which turns the
sum into one matrix product, exp(s(b + i)) = exp(sb) exp(si): a hundred partials cost as much as one
does without it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE = 44_100
NYQUIST_GUARD = 17_000.0
BLOCK = 256
Audio = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


def hertz(pitch: float) -> float:
    """MIDI number -> frequency; 69 is 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def ring(
    frequencies: npt.ArrayLike,
    gains: npt.ArrayLike,
    decays: npt.ArrayLike,
    seconds: float,
    phases: npt.ArrayLike = 0.0,
) -> Audio:
    """Sum of gain * exp(-decay t) * sin(2 pi f t + phase). Partials above hearing are dropped."""
    f, g, d, p = (np.array(a, dtype=float) for a in np.broadcast_arrays(
        np.asarray(frequencies, dtype=float), np.asarray(gains, dtype=float),
        np.asarray(decays, dtype=float), np.asarray(phases, dtype=float)))  # fmt: skip
    heard = (f < NYQUIST_GUARD) & (np.abs(g) > 1e-5)
    poles = (-d[heard] + 2j * np.pi * f[heard]) / RATE
    samples = round(seconds * RATE)
    blocks = -(-samples // BLOCK)
    outer = np.exp(np.outer(np.arange(blocks) * BLOCK, poles) + 1j * p[heard]) * g[heard]
    inner = np.exp(np.outer(poles, np.arange(BLOCK)))
    left = np.hstack([outer.real, outer.imag]).astype(np.float32)
    right = np.vstack([inner.imag, inner.real]).astype(np.float32)
    return (left @ right).reshape(-1)[:samples]


def shaped(sound: Audio, attack: float, release: float = 0.0) -> Audio:
    """Raised-cosine ramps at both ends: no clicks."""
    for seconds, end in ((attack, False), (release, True)):
        size = min(len(sound), round(seconds * RATE))
        if size > 1:
            ramp = ramp_up(size)
            if end:
                sound[-size:] *= ramp[::-1]
            else:
                sound[:size] *= ramp
    return sound


def ramp_up(size: int) -> Audio:
    return (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, size))).astype(np.float32)


def decay(seconds: float, half_life: float) -> Audio:
    """An exponential that halves every `half_life` seconds."""
    return np.exp2(-np.arange(round(seconds * RATE), dtype=np.float32) / (half_life * RATE))


def noise(
    seconds: float, low: float, high: float, dice: np.random.Generator, tilt: float = 0.0
) -> Audio:
    """White noise between two frequencies with soft edges; `tilt` in dB per octave. RMS 1."""
    samples = round(seconds * RATE)
    size = 1 << max(6, samples - 1).bit_length()  # a power of two: the transform is quick
    f = np.fft.rfftfreq(size, 1 / RATE).astype(np.float32) + np.float32(1e-3)
    edges = 1 / (1 + (low / f) ** 4) / (1 + (f / high) ** 4) * (f / 1000) ** (tilt / 6.02)
    angles = dice.random(len(f), dtype=np.float32) * np.float32(2 * np.pi)
    sound = np.fft.irfft(edges * np.exp(1j * angles), size)[:samples].astype(np.float32)
    return sound / np.float32(np.sqrt(np.mean(sound**2)) + 1e-9)


def sweep(seconds: float, start: float, end: float, speed: float) -> Audio:
    """A sine that falls from `start` to `end` Hz; `speed` is the fall's rate per second."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = end * t + (start - end) * (1 - np.exp(-speed * t)) / speed
    return np.sin(2 * np.pi * phase).astype(np.float32)


def loudest(sound: Audio, peak: float = 1.0) -> Audio:
    return sound * np.float32(peak / (np.max(np.abs(sound)) + 1e-9))
