"""Voice: players of a single line that glide from note to note and breathe between phrases.

1. The line becomes three curves on a coarse grid: pitch (smoothed, so that it slides), loudness
   (smoothed, so that it swells) and vowel (which changes with the note).
2. Each harmonic's loudness follows the formants at the frequency where it is at that moment.
3. The harmonics are summed; breath is added. A choir is the same line sung by several people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from songs.studio.sound.synthesis import RATE, Audio, Floats, noise

GRID = 256
GRID_RATE = RATE / GRID
GRID_ROWS = 32
AIR_SECONDS = 2.97

# Formants: (Hz, bandwidth Hz, gain dB), a mezzo's, after common tables of sung vowels.
VOWELS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "aah": ((780, 90, 0), (1200, 110, -5), (2800, 150, -18), (3600, 180, -22), (4900, 220, -40)),
    "ooh": ((360, 70, 0), (780, 90, -13), (2650, 140, -32), (3500, 170, -36), (4900, 220, -55)),
    "ohh": ((480, 75, 0), (860, 95, -8), (2750, 150, -24), (3550, 170, -28), (4900, 220, -48)),
}


@dataclass(frozen=True)
class Singer:
    """A timbre for lines. `formants` per vowel, or `tilt` (power of 1/n) and `cutoff` for reeds
    and strings; times in seconds, vibrato in Hz and semitones."""

    vowels: tuple[str, ...] = ()
    tilt: float = 1.0
    cutoff: float = 3000.0
    odd: float = 1.0
    body: tuple[tuple[float, float, float], ...] = ()
    attack: float = 0.05
    release: float = 0.09
    glide: float = 0.05
    vibrato: float = 5.4
    depth: float = 0.22
    breath: float = 0.0
    people: int = 1
    gain: float = 1.0
    octave: int = 0


SINGERS: dict[str, Singer] = {
    "voice": Singer(
        ("ooh", "aah", "ohh"), tilt=0.75, attack=0.075, release=0.16, glide=0.085, depth=0.28,
        breath=0.035, people=2, gain=1.0,
    ),
    "flute": Singer(
        tilt=2.1, cutoff=2600, attack=0.06, release=0.09, glide=0.03, depth=0.13, breath=0.06,
        gain=0.9,
    ),
    "clarinet": Singer(
        tilt=0.9, cutoff=1900, odd=0.12, attack=0.045, release=0.07, glide=0.03, depth=0.06,
        breath=0.015, gain=0.8,
    ),
    "saxophone": Singer(
        tilt=0.7, cutoff=1900, body=((650, 200, 5), (1500, 300, 4)), attack=0.045, release=0.09,
        glide=0.05, depth=0.2, breath=0.03, gain=0.7,
    ),
    "trumpet": Singer(
        tilt=0.45, cutoff=1700, body=((1200, 400, 6),), attack=0.035, release=0.07, glide=0.03,
        depth=0.12, breath=0.01, gain=0.6,
    ),
    "horn": Singer(
        tilt=0.8, cutoff=950, body=((400, 200, 5),), attack=0.07, release=0.12, glide=0.05,
        depth=0.08, people=3, gain=0.85,
    ),
    "melodica": Singer(
        tilt=0.55, cutoff=2500, attack=0.04, release=0.06, glide=0.02, depth=0.1, breath=0.02,
        people=2, gain=0.5,
    ),
    "violin": Singer(
        tilt=0.85, cutoff=3600, body=((280, 80, 3), (480, 120, 4), (2600, 700, 5)), attack=0.09,
        release=0.12, glide=0.06, depth=0.26, breath=0.008, gain=0.62,
    ),
    "fiddle": Singer(
        tilt=0.8, cutoff=3900, body=((300, 80, 3), (2600, 700, 6)), attack=0.045, release=0.07,
        glide=0.045, depth=0.14, breath=0.012, gain=0.6,
    ),
    "cello lead": Singer(
        tilt=0.85, cutoff=2000, body=((180, 60, 4), (420, 120, 4)), attack=0.1, release=0.14,
        glide=0.07, depth=0.24, breath=0.008, gain=0.8,
    ),
    "synth lead": Singer(
        tilt=0.95, cutoff=2700, attack=0.012, release=0.12, glide=0.035, depth=0.12, people=3,
        gain=0.6,
    ),
    "pulse lead": Singer(
        tilt=0.9, cutoff=6000, odd=0.35, attack=0.004, release=0.015, glide=0.004, vibrato=6.2,
        depth=0.2, gain=0.42,
    ),
    "lead guitar": Singer(
        tilt=0.75, cutoff=2500, attack=0.012, release=0.08, glide=0.03, vibrato=5.0, depth=0.3,
        breath=0.004, gain=0.7,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Sung:
    """A note in seconds."""

    start: float
    end: float
    pitch: float
    velocity: float


def sing(name: str, notes: Sequence[Sung], samples: int, dice: np.random.Generator) -> Audio:
    """The whole line, stereo, shape (2, samples)."""
    singer = SINGERS[name]
    stage = np.zeros((2, samples), dtype=np.float32)
    air = noise(AIR_SECONDS, 900, 6500, dice, tilt=-2.0) * np.float32(singer.breath)
    for phrase in _phrases(notes, singer.release):
        lead_in = (singer.attack + singer.release) / 2 + 0.03  # the swell begins before the note
        start = max(0, round((phrase[0].start - lead_in) * RATE))
        for person in range(singer.people):
            sound = _phrase(singer, phrase, start / RATE, person, air, dice)
            end = min(samples, start + len(sound))
            for side, gain in enumerate(_pan(person, singer.people)):
                stage[side, start:end] += gain * sound[: end - start]
    return stage


def _phrases(notes: Sequence[Sung], release: float) -> list[list[Sung]]:
    """Notes that follow each other closely share a breath."""
    phrases: list[list[Sung]] = []
    for note in sorted(notes, key=lambda n: n.start):
        if phrases and note.start - phrases[-1][-1].end < release + 0.1 and len(phrases[-1]) < 24:
            phrases[-1].append(note)
        else:
            phrases.append([note])
    return phrases


def _pan(person: int, people: int) -> tuple[float, float]:
    place = 0.0 if people == 1 else 0.55 * (2 * person / (people - 1) - 1)
    angle = (place + 1) * np.pi / 4
    return float(np.cos(angle) / np.sqrt(people)), float(np.sin(angle) / np.sqrt(people))


def _phrase(
    singer: Singer, notes: Sequence[Sung], origin: float, person: int, air: Audio,
    dice: np.random.Generator,
) -> Audio:  # fmt: skip
    late = dice.normal(0, 0.012) if person else 0.0
    seconds = notes[-1].end - origin + singer.release * 2 + 0.1
    count = int(seconds * GRID_RATE) + 2
    pitch, loudness, places = _curves(singer, notes, origin + late, count, dice)
    pitch = pitch + (dice.normal(0, 0.05) if person else 0.0) + 12 * singer.octave
    f0 = 440.0 * 2.0 ** ((pitch - 69) / 12)
    harmonics = int(np.clip(7000 / f0.min(), 4, 24))
    gains = _spectrum(singer, f0, loudness, places, harmonics)
    phase = np.cumsum(np.repeat(f0 / RATE, GRID)) % 1.0
    sound = _sum_harmonics((2 * np.pi * phase).astype(np.float32), gains)
    if singer.breath:
        sound += _breath(air, loudness, origin)
    return sound * np.float32(0.5 * singer.gain)


def _sum_harmonics(angle: Audio, gains: Floats) -> Audio:
    """Sum of gains[n] sin((n + 1) angle), by Chebyshev's recurrence, a cache's worth at a time."""
    rows = angle.reshape(-1, GRID)
    level = gains.astype(np.float32)
    rise = np.diff(level, axis=1, append=level[:, -1:])
    ramp = np.arange(GRID, dtype=np.float32) / GRID
    sound = np.zeros_like(rows)
    for at in range(0, len(rows), GRID_ROWS):
        part = slice(at, at + GRID_ROWS)
        twice = 2 * np.cos(rows[part])
        before, now = np.zeros_like(twice), np.sin(rows[part])
        flat, slope = np.zeros_like(twice), np.zeros_like(twice)
        for n in range(len(level)):
            flat += now * level[n, part, None]
            slope += now * rise[n, part, None]
            before, now = now, twice * now - before
        sound[part] = flat + slope * ramp
    return sound.reshape(-1)


def _curves(
    singer: Singer, notes: Sequence[Sung], origin: float, count: int, dice: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Pitch in semitones, loudness 0-1 and place within the cycle of vowels, on the grid."""
    t = np.arange(count) / GRID_RATE + origin
    pitch, gate, places = np.full(count, notes[0].pitch), np.zeros(count), np.zeros(count)
    age = np.zeros(count)
    for index, note in enumerate(notes):
        here = t >= note.start
        pitch[here], age[here] = note.pitch, t[here] - note.start
        places[here] = (index * 2 + (note.end - note.start > 0.8)) % 3
        gate[here & (t < note.end)] = note.velocity
        gate[here & (t >= note.end)] = 0.0
        near = here & (t < note.start + 0.03) & (index > 0)
        gate[near] *= 0.82
    sway = np.sin(
        2 * np.pi * (singer.vibrato * (t - origin) * (1 + 0.02 * dice.normal()) + dice.random())
    )
    drift = _hann(dice.normal(0, 0.25, count), 0.4)
    bloom = np.clip((age - 0.18) / 0.5, 0, 1)
    pitch = _hann(pitch, singer.glide) + singer.depth * bloom * sway + drift
    swell = 0.86 + 0.14 * np.sin(np.pi * np.clip(age / 1.6, 0, 1))
    return pitch, _hann(gate, (singer.attack + singer.release) / 2) * swell, _hann(places, 0.12)


def _hann(curve: Floats, seconds: float) -> Floats:
    size = max(1, int(seconds * 2 * GRID_RATE)) | 1
    if size < 3:
        return curve
    window = np.hanning(size + 2)[1:-1]
    padded = np.pad(curve, size // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def _spectrum(
    singer: Singer, f0: Floats, loudness: Floats, places: Floats, harmonics: int
) -> Floats:
    """Loudness of each harmonic on the grid, shape (harmonics, grid); louder is brighter."""
    n = np.arange(1, harmonics + 1)[:, None]
    frequency = n * f0[None, :]
    source = loudness[None, :] ** (1.0 + 0.02 * n) / n**singer.tilt
    if singer.vowels:
        tables = [_formants(VOWELS[name], frequency) for name in singer.vowels]
        weights = [np.clip(1 - np.abs(places - index), 0, 1) for index in range(len(tables))]
        tone = sum(table * weight[None, :] for table, weight in zip(tables, weights, strict=True))
    else:
        tone = 1 / np.sqrt(1 + (frequency / singer.cutoff) ** 4)
        for hz, width, gain in singer.body:
            tone = tone * (1 + (10 ** (gain / 20) - 1) * np.exp(-(((frequency - hz) / width) ** 2)))
        tone = tone * np.where(n % 2 == 0, singer.odd, 1.0)
    return source * tone * (frequency < 16_000)


def _formants(formants: Sequence[tuple[float, float, float]], frequency: Floats) -> Floats:
    """A vowel's filter: resonances on a floor, evened out so that every pitch carries."""
    peaks = sum(
        10 ** (gain / 20) / np.sqrt(1 + ((frequency - hz) / (width * 1.1)) ** 2)
        for hz, width, gain in formants
    )
    total = peaks + 0.03 / (1 + (frequency / 2500) ** 2)
    power = np.sqrt(np.sum((total / np.arange(1, len(frequency) + 1)[:, None]) ** 2, axis=0))
    return total / (power + 0.12) ** 0.7


def _smooth(grid: Floats) -> Audio:
    """Grid values -> samples, in straight lines."""
    following = np.append(grid[1:], grid[-1])
    ramp: Audio = (np.arange(GRID) / GRID).astype(np.float32)
    start: Audio = grid.astype(np.float32)
    rise: Audio = (following - grid).astype(np.float32)
    lines: Audio = start[:, None] + rise[:, None] * ramp[None, :]
    return lines.reshape(-1)


def _breath(air: Audio, loudness: Floats, origin: float) -> Audio:
    """The breath of one phrase, cut from the line's loop of noise at its own place."""
    turned = np.roll(air, -round(origin * 977) % len(air))
    samples = len(loudness) * GRID
    looped: Audio = np.resize(turned, samples)
    return looped * _smooth(loudness)
