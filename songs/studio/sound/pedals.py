"""What sound goes through: filters, amplifiers, compressors, a chorus, a room, a limiter.

Each effect is called with consecutive blocks of stereo sound, float32 of shape (2, samples), and
remembers what it needs of the block before. Gains are in decibels, times in milliseconds.

Sources: the filters are those of R. Bristow-Johnson's “Audio EQ Cookbook”; the room is the network
of combs and all-passes that J. Moorer and M. Schroeder described and Jezar's Freeverb made known,
taken as the impulse response that it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from scipy import fft
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import lfilter

from songs.studio.sound.synthesis import RATE, Audio

CONTROL = 32  # samples for which an envelope has one value
FLAT = math.sqrt(0.5)  # the quality of a filter without a bump


class Effect(Protocol):
    def __call__(self, sound: Audio) -> Audio:
        """The next block, changed."""


class Chain:
    """Effects one after the other."""

    def __init__(self, effects: Sequence[Effect]) -> None:
        self._effects = effects

    def __call__(self, sound: Audio) -> Audio:
        for effect in self._effects:
            sound = effect(sound)
        return sound


def linear(decibels: float) -> float:
    return float(10 ** (decibels / 20))


# --- filters --------------------------------------------------------------------------------------


class Filter:
    """A filter of the first or second order, by its coefficients b and a."""

    def __init__(self, b: Sequence[float], a: Sequence[float]) -> None:
        self._b = np.array(b, dtype=np.float64) / a[0]
        self._a = np.array(a, dtype=np.float64) / a[0]
        if len(a) == 2:  # exact enough, and twice as fast
            self._b, self._a = self._b.astype(np.float32), self._a.astype(np.float32)
        self._state = np.zeros((2, len(a) - 1), self._a.dtype)

    def __call__(self, sound: Audio) -> Audio:
        changed, self._state = lfilter(self._b, self._a, sound, axis=1, zi=self._state)
        return np.asarray(changed, dtype=np.float32)


def low_pass(hertz: float) -> Filter:
    """6 dB an octave."""
    k = math.tan(math.pi * hertz / RATE)
    return Filter([k, k], [1 + k, k - 1])


def high_pass(hertz: float) -> Filter:
    """6 dB an octave."""
    k = math.tan(math.pi * hertz / RATE)
    return Filter([1, -1], [1 + k, k - 1])


def steep_high_pass(hertz: float, quality: float) -> Filter:
    """12 dB an octave."""
    cos, alpha = _angle(hertz, quality)
    return Filter([(1 + cos) / 2, -1 - cos, (1 + cos) / 2], [1 + alpha, -2 * cos, 1 - alpha])


def peak(hertz: float, gain: float, quality: float) -> Filter:
    (cos, alpha), a = _angle(hertz, quality), linear(gain / 2)
    return Filter(
        [1 + alpha * a, -2 * cos, 1 - alpha * a], [1 + alpha / a, -2 * cos, 1 - alpha / a]
    )


def high_shelf(hertz: float, gain: float, quality: float = FLAT) -> Filter:
    return _shelf(hertz, gain, quality, side=1)


def low_shelf(hertz: float, gain: float, quality: float = FLAT) -> Filter:
    return _shelf(hertz, gain, quality, side=-1)


def _shelf(hertz: float, gain: float, quality: float, side: int) -> Filter:
    (cos, alpha), a = _angle(hertz, quality), linear(gain / 2)
    slope, c = 2 * math.sqrt(a) * alpha, side * cos
    return Filter(
        [
            a * (a + 1 + (a - 1) * c + slope),
            side * -2 * a * (a - 1 + (a + 1) * c),
            a * (a + 1 + (a - 1) * c - slope),
        ],
        [
            a + 1 - (a - 1) * c + slope,
            side * 2 * (a - 1 - (a + 1) * c),
            a + 1 - (a - 1) * c - slope,
        ],
    )


def _angle(hertz: float, quality: float) -> tuple[float, float]:
    omega = 2 * math.pi * hertz / RATE
    return math.cos(omega), math.sin(omega) / (2 * quality)


# --- amplifiers -----------------------------------------------------------------------------------


class Gain:
    def __init__(self, decibels: float) -> None:
        self._gain = np.float32(linear(decibels))

    def __call__(self, sound: Audio) -> Audio:
        return sound * self._gain


class Distortion:
    """A soft knee: the louder, the flatter."""

    def __init__(self, drive: float) -> None:
        self._gain = np.float32(linear(drive))

    def __call__(self, sound: Audio) -> Audio:
        return np.tanh(sound * self._gain)


class Compressor:
    """Turns down what is louder than `threshold`: `ratio` decibels more come out as one."""

    def __init__(self, threshold: float, ratio: float, attack: float, release: float) -> None:
        self._threshold, self._power = linear(threshold), 1 / ratio - 1
        self._rise, self._fall = _share(attack), _share(release)
        self._level, self._gain = 0.0, 1.0

    def __call__(self, sound: Audio) -> Audio:
        peaks = _per_control(np.abs(sound).max(axis=0), np.max)
        over = np.maximum(self._followed(peaks) / self._threshold, 1.0)
        gains = over**self._power
        curve = _between(self._gain, gains, sound.shape[1])
        self._gain = float(curve[-1])
        return sound * curve

    def _followed(self, peaks: Any) -> Any:
        level, levels = self._level, []
        for peak in peaks.tolist():
            level += (peak - level) * (self._rise if peak > level else self._fall)
            levels.append(level)
        self._level = level
        return np.array(levels)


class Limiter:
    """Nothing comes out louder than `ceiling`. Looks `ahead`, so it takes a whole song at once."""

    def __init__(self, ceiling: float, release: float, ahead: float) -> None:
        self._ceiling, self._rise = linear(ceiling), _share(release)
        self._window = 2 * round(ahead * RATE / 2000) + 1

    def __call__(self, sound: Audio) -> Audio:
        """In place."""
        wanted = np.maximum(sound[0], sound[1])
        np.maximum(wanted, -np.minimum(sound[0], sound[1]), out=wanted)
        np.divide(np.float32(self._ceiling), np.maximum(wanted, self._ceiling), out=wanted)
        held = self._released(_per_control(wanted, np.min)).astype(np.float32)
        np.minimum(wanted, np.repeat(held, CONTROL)[: len(wanted)], out=wanted)
        # The mean of a window in which each value is low enough for the window's middle.
        minimum_filter1d(wanted, self._window, mode="nearest", output=wanted)
        uniform_filter1d(wanted, self._window, mode="nearest", output=wanted)
        sound *= wanted
        return sound

    def _released(self, wanted: Any) -> Any:
        gain, gains = 1.0, []
        for least in wanted.tolist():
            gain = min(least, gain + (1.0 - gain) * self._rise)
            gains.append(gain)
        return np.array(gains)


def _share(milliseconds: float) -> float:
    """How much of a difference a follower makes up in one CONTROL."""
    return 1 - math.exp(-CONTROL / (milliseconds / 1000 * RATE))


def _per_control(curve: Any, choose: Any) -> Any:
    size = -len(curve) % CONTROL
    return choose(np.pad(curve, (0, size), mode="edge").reshape(-1, CONTROL), axis=1)


def _between(first: float, values: Any, samples: int) -> Audio:
    """A curve that goes from one value to the next, in straight lines."""
    at = np.arange(1, samples + 1)
    knots = np.arange(len(values) + 1) * CONTROL
    return np.interp(at, knots, [first, *values]).astype(np.float32)


# --- what moves -----------------------------------------------------------------------------------


class Chorus:
    """A second voice, whose delay swings around `centre` at `rate` hertz; `mix` is its share."""

    SWING = 10.0  # milliseconds to each side at a depth of 1

    def __init__(self, rate: float, depth: float, centre: float, mix: float) -> None:
        self._rate, self._centre, self._mix = rate, centre, mix
        self._swing = depth * self.SWING
        self._kept = np.zeros((2, math.ceil((centre + self._swing + 1) * RATE / 1000)), np.float32)
        self._at = 0

    def __call__(self, sound: Audio) -> Audio:
        whole = np.concatenate([self._kept, sound], axis=1)
        first, count = self._kept.shape[1], sound.shape[1]
        phase = 2 * np.pi * self._rate * (self._at + np.arange(count)) / RATE
        delay = np.maximum(1.0, self._centre + self._swing * np.sin(phase)) * RATE / 1000
        place = first + np.arange(count) - delay
        left = place.astype(np.intp)
        part = (place - left).astype(np.float32)
        voice = whole[:, left] * (np.float32(1) - part) + whole[:, left + 1] * part
        self._kept, self._at = whole[:, count:], self._at + count
        return _mixed(sound, voice, self._mix)


class Phaser:
    """Notches that wander between `low` and `high` hertz."""

    STAGES = 6

    def __init__(self, rate: float, low: float, high: float, mix: float) -> None:
        self._rate, self._mix = rate, mix
        self._ends = [_all_passes(low, self.STAGES), _all_passes(high, self.STAGES)]
        self._at = 0

    def __call__(self, sound: Audio) -> Audio:
        phase = 2 * np.pi * self._rate * (self._at + np.arange(sound.shape[1])) / RATE
        share = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        self._at += sound.shape[1]
        low, high = (end(sound) for end in self._ends)
        turned = low * (1 - share) + high * share
        return _mixed(sound, turned, self._mix)


def _mixed(sound: Audio, other: Audio, share: float) -> Audio:
    return sound * np.float32(1 - share) + other * np.float32(share)


def _all_passes(hertz: float, count: int) -> Chain:
    k = math.tan(math.pi * hertz / RATE)
    c = (k - 1) / (k + 1)
    return Chain([Filter([c, 1], [1, c]) for _ in range(count)])


class Echo:
    """The sound `seconds` later, and again, each time `feedback` as loud; without the sound."""

    def __init__(self, seconds: float, feedback: float) -> None:
        self._feedback = np.float32(feedback)
        self._kept = np.zeros((2, max(1, round(seconds * RATE))), np.float32)

    def __call__(self, sound: Audio) -> Audio:
        heard, length = np.empty_like(sound), self._kept.shape[1]
        for start in range(0, sound.shape[1], length):
            said = sound[:, start : start + length]
            count = said.shape[1]
            heard[:, start : start + count] = self._kept[:, :count]
            again = said + self._feedback * self._kept[:, :count]
            self._kept = np.concatenate([self._kept[:, count:], again], axis=1)
        return heard


# --- the room -------------------------------------------------------------------------------------

COMBS = (1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617)  # samples
ALL_PASSES = (556, 441, 341, 225)
SPREAD = 23  # samples by which the right ear's are longer
INAUDIBLE = 1e-4  # of the loudest: 80 dB down
LONGEST = 8 * RATE


class Room:
    """A room's answer alone, without the sound itself. Both `size` and `damping` go from 0 to 1."""

    def __init__(self, size: float, damping: float, wet: float) -> None:
        self._answer = response(round(size, 3), damping) * np.float32(wet)
        self._tail = np.zeros((2, self._answer.shape[1] - 1), np.float32)

    def __call__(self, sound: Audio) -> Audio:
        count = sound.shape[1]
        size = fft.next_fast_len(count + self._tail.shape[1], real=True)
        heard = np.empty((2, count), np.float32)
        for ear in range(2):
            spectrum = fft.rfft(sound[ear], size) * fft.rfft(self._answer[ear], size)
            whole = fft.irfft(spectrum, size)[: count + self._tail.shape[1]]
            whole[: self._tail.shape[1]] += self._tail[ear]
            heard[ear], self._tail[ear] = whole[:count], whole[count:]
        return heard


@lru_cache(maxsize=8)
def response(size: float, damping: float) -> Audio:
    """What both ears hear of one click, until it is inaudible."""
    ears = np.stack([_ear(size, damping, 0), _ear(size, damping, SPREAD)])
    loud = np.abs(ears).max(axis=0)
    last = int(np.flatnonzero(loud > INAUDIBLE * loud.max())[-1])
    return ears[:, : last + 1].astype(np.float32)


def _ear(size: float, damping: float, spread: int) -> Any:
    heard = np.zeros(LONGEST)
    for length in COMBS:
        heard += _comb(length + spread, 0.7 + 0.28 * size, 0.4 * damping)
    for length in ALL_PASSES:
        heard = _all_pass(heard, length + spread)
    return heard * 0.045


def _comb(length: int, feedback: float, damping: float) -> Any:
    """Click after click, each duller than the one before."""
    heard, state = np.zeros(LONGEST), np.zeros(1)
    heard[length] = 1.0
    for start in range(length, LONGEST - length, length):
        dull, state = lfilter([1 - damping], [1, -damping], heard[start : start + length], zi=state)
        stop = min(start + 2 * length, LONGEST)
        heard[start + length : stop] += feedback * dull[: stop - start - length]
    return heard


def _all_pass(sound: Any, length: int) -> Any:
    kept, heard = np.zeros(length), np.empty_like(sound)
    for start in range(0, len(sound), length):
        said = sound[start : start + length]
        old = kept[: len(said)]
        heard[start : start + length] = old - said
        kept = np.concatenate([kept[len(said) :], said + 0.5 * old])
    return heard
