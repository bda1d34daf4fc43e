"""Instruments that are struck, plucked or held: one pitch in, one sound out.

Each is a sum of partials whose frequencies, loudness and decay are those of the thing itself: a
stiff string, a pluck at a fifth of the string, a bar, a filter that closes. Lines that glide from
note to note (voice, flute, saxophone) are in voice.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from songs.studio.sound.synthesis import RATE, Audio, Floats, decay, noise, ring, shaped

Build = Callable[[float, float, float, np.random.Generator], Audio]


@dataclass(frozen=True)
class Instrument:
    """`build(hertz, force, seconds, dice)`; `ring_out`: it rings for its own time, whatever the
    note's length says; `gain` levels instruments against each other."""

    build: Build
    seconds: float
    release: float
    gain: float
    octave: int = 0
    spread: float = 0.25


def _stiff_string(f: float, count: int, stiffness: float) -> tuple[Floats, Floats]:
    n = np.arange(1, count + 1, dtype=float)
    return n, f * n * np.sqrt(1 + stiffness * n**2)


def piano(f: float, force: float, seconds: float, dice: np.random.Generator) -> Audio:
    """Two slightly detuned stiff strings, a felt hammer, two-stage decay."""
    count = int(min(40, 14_000 / f))
    n, freq = _stiff_string(f, count, 0.00028 * (f / 260) ** 1.1)
    hammer = np.exp(-n * (0.36 - 0.25 * force) * (f / 300) ** 0.35)
    strike = np.abs(np.sin(np.pi * n * 0.12)) + 0.12
    gains = hammer * strike / n**0.35
    fast = (0.9 + 0.0022 * freq) * (f / 260) ** 0.35
    detune = 1 + 0.00028 * (1 + dice.random())
    frequencies = np.concatenate([freq, freq * detune, freq / detune])
    weights = np.concatenate([gains * 0.55, gains * 0.3, gains * 0.25])
    decays = np.concatenate([fast * 2.6, fast * 0.75, fast * 0.65])
    sound = ring(frequencies, weights, decays, seconds, dice.uniform(0, 6.28, 3 * count))
    thump = noise(0.07, 60, 900 + 2200 * force, dice) * decay(0.07, 0.011) * 0.05 * force
    sound[: len(thump)] += shaped(thump, 0.001)
    return shaped(sound, 0.0025)


def electric_piano(f: float, force: float, seconds: float, dice: np.random.Generator) -> Audio:
    """A tine and its tone bar: a round fundamental, a bell that is gone in a blink."""
    n = np.array([1, 2, 3, 4, 5, 7.1, 11.3])
    gains = np.array([1, 0.32 * force, 0.22 * force**2, 0.08, 0.05, 0.14 * force, 0.05 * force])
    decays = np.array([0.9, 1.3, 2.0, 2.6, 3.2, 14, 22]) * (f / 300) ** 0.3
    pair = np.concatenate([f * n, f * n * 1.0012])
    sound = ring(
        pair, np.tile(gains, 2) * 0.5, np.tile(decays, 2), seconds, dice.uniform(0, 6.28, 14)
    )
    return shaped(sound, 0.004)


def plucked(
    f: float, force: float, seconds: float, dice: np.random.Generator, *, bright: float,
    damping: float, place: float = 0.2, body: float = 0.5,
) -> Audio:  # fmt: skip
    """A string plucked at `place` of its length: Karplus and Strong's decay, solved per partial."""
    count = int(min(48, 13_000 / f))
    n, freq = _stiff_string(f, count, 0.00004)
    edge = 1 / (1 + (freq / (900 + 5200 * bright * (0.4 + force))) ** 2)
    gains = np.abs(np.sin(np.pi * n * place)) / n**0.9 * (0.15 + edge)
    gains *= 1 + body * (
        np.exp(-(((freq - 110) / 40) ** 2)) + 0.8 * np.exp(-(((freq - 215) / 70) ** 2))
    )
    decays = damping * (0.7 + 0.25 * (f / 200) ** 0.6 + (freq / 2600) ** 1.6)
    pair, twin = np.concatenate([freq, freq * 1.0006]), np.concatenate([gains * 0.7, gains * 0.4])
    sound = ring(pair, twin, np.tile(decays, 2), seconds, dice.uniform(0, 6.28, 2 * count))
    pick = noise(0.02, 900, 5500, dice) * decay(0.02, 0.003) * 0.05 * bright * force
    sound[: len(pick)] += shaped(pick, 0.001)
    return shaped(sound, 0.0015)


def bar(
    f: float, force: float, seconds: float, dice: np.random.Generator, *, ratios: tuple[float, ...],
    life: float, shine: float,
) -> Audio:  # fmt: skip
    """A struck bar, bell or glass: a few inharmonic partials, the high ones short."""
    r = np.array(ratios)
    gains = np.array(
        [1.0, *[shine * (0.4 + 0.6 * force) / (i + 1) ** 0.8 for i in range(len(r) - 1)]]
    )
    decays = (0.7 / life) * r**0.9 * (f / 500) ** 0.4
    pair = np.concatenate([f * r, f * r * 1.0008])
    sound = ring(
        pair,
        np.tile(gains, 2) * 0.5,
        np.tile(decays, 2),
        seconds,
        dice.uniform(0, 6.28, 2 * len(r)),
    )
    return shaped(sound, 0.002)


def ensemble(
    f: float, force: float, seconds: float, dice: np.random.Generator, *, players: int,
    detune: float, slope: float, cutoff: float, attack: float, closing: float = 0.0,
    odd: float = 1.0,
) -> Audio:  # fmt: skip
    """Several saws, each a little out of tune, through a gentle filter that may close."""
    count = int(min(36, 9_000 / f))
    n = np.arange(1, count + 1, dtype=float)
    edge = 1 / np.sqrt(1 + (f * n / (cutoff * (0.6 + 0.6 * force))) ** 4)
    gains = edge / n**slope * np.where(n % 2 == 0, odd, 1.0)
    bend = 1 + detune * np.linspace(-1, 1, players) if players > 1 else np.ones(1)
    bend = bend + dice.normal(0, detune * 0.15, players)
    frequencies = np.outer(bend, n * f).ravel()
    phases = dice.uniform(0, 6.28, frequencies.size)
    decays = np.tile(closing * (n - 1) ** 0.9, players)
    sound = ring(frequencies, np.tile(gains, players) / np.sqrt(players), decays, seconds, phases)
    return shaped(sound, attack)


def organ(
    f: float, force: float, seconds: float, dice: np.random.Generator, *, stops: tuple[float, ...]
) -> Audio:
    """Drawbars at 1/2, 1, 3/2, 2, 3, 4, 5, 6 and 8 times the pitch, with a soft key click."""
    n = np.array([0.5, 1, 1.5, 2, 3, 4, 5, 6, 8])[: len(stops)]
    frequencies = np.concatenate([f * n, f * n * 1.0009])
    gains = np.tile(np.array(stops), 2) * 0.5
    return shaped(ring(frequencies, gains, 0.02, seconds, dice.uniform(0, 6.28, 2 * len(n))), 0.012)


def bass_synth(
    f: float, force: float, seconds: float, dice: np.random.Generator, *, closing: float,
    cutoff: float, detune: float = 0.0,
) -> Audio:  # fmt: skip
    """A saw with a sine beneath, its filter closing after the attack."""
    players = 3 if detune else 1
    saw = ensemble(f, force, seconds, dice, players=players, detune=detune, slope=1.0,
                   cutoff=cutoff, attack=0.003, closing=closing)  # fmt: skip
    low = ring([f, f * 2], [0.9, 0.15], 0.3, seconds)
    return shaped(0.7 * saw + low, 0.004)


def eight_oh_eight(f: float, force: float, seconds: float, dice: np.random.Generator) -> Audio:
    """A long sine that drops into its pitch, warmed until small speakers hear it."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = f * t + 0.9 * f * (1 - np.exp(-40 * t)) / 40
    tone = np.sin(2 * np.pi * phase) * np.exp(-0.9 * t)
    return shaped(np.tanh(1.8 * tone).astype(np.float32), 0.003)


def pulse(
    f: float, force: float, seconds: float, dice: np.random.Generator, *, duty: float, fade: float
) -> Audio:
    """A console's pulse wave, band-limited."""
    n = np.arange(1, int(min(60, 14_000 / f)) + 1, dtype=float)
    gains = np.sin(np.pi * n * duty) / n
    return shaped(ring(f * n, gains, fade, seconds, np.pi / 2), 0.002)


def triangle(f: float, force: float, seconds: float, dice: np.random.Generator) -> Audio:
    n = np.arange(1, 20, 2, dtype=float)
    return shaped(ring(f * n, np.where(n % 4 == 1, 1.0, -1.0) / n**2, 0.4, seconds), 0.002)


GLASS = (1.0, 2.76, 5.4, 8.93)
STOPS = (0.5, 0.9, 0.4, 0.55, 0.3, 0.2, 0.06, 0.08, 0.1)
PIPES = (0.5, 0.9, 0.1, 0.75, 0.25, 0.5, 0.12, 0.2, 0.25)

INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument(piano, 4.5, 0.18, 1.0, spread=0.5),
    "house piano": Instrument(piano, 2.0, 0.08, 1.0, octave=1, spread=0.4),
    "electric piano": Instrument(electric_piano, 4.0, 0.15, 0.9, spread=0.4),
    "steel guitar": Instrument(
        partial(plucked, bright=0.95, damping=0.95),
        3.0, 0.12, 1.25, spread=0.35,
    ),
    "nylon guitar": Instrument(
        partial(plucked, bright=0.35, damping=1.15, place=0.27),
        2.8, 0.12, 1.35,
    ),
    "clean guitar": Instrument(
        partial(plucked, bright=0.7, damping=1.1, place=0.14, body=0.1),
        2.5, 0.06, 1.3,
    ),
    "crunch guitar": Instrument(
        partial(plucked, bright=0.8, damping=0.5, place=0.16, body=0.0),
        3.0, 0.05, 1.0,
    ),
    "heavy guitar": Instrument(
        partial(plucked, bright=0.9, damping=0.6, place=0.13, body=0.0),
        3.0, 0.03, 1.0,
    ),
    "ukulele": Instrument(
        partial(plucked, bright=0.45, damping=2.0, place=0.3),
        1.6, 0.1, 1.3, octave=1,
    ),
    "banjo": Instrument(
        partial(plucked, bright=1.0, damping=3.2, place=0.1, body=0.1),
        1.2, 0.08, 1.1,
    ),
    "harp": Instrument(
        partial(plucked, bright=0.5, damping=0.7, place=0.4, body=0.2),
        4.0, 0.6, 1.2, octave=1, spread=0.6,
    ),
    "harpsichord": Instrument(
        partial(plucked, bright=1.3, damping=1.2, place=0.09, body=0.1),
        2.5, 0.08, 0.9,
    ),
    "vibraphone": Instrument(
        partial(bar, ratios=(1.0, 4.0, 9.9), life=2.2, shine=0.22),
        3.5, 0.3, 0.9,
    ),
    "marimba": Instrument(
        partial(bar, ratios=(1.0, 3.93, 9.2), life=0.35, shine=0.4),
        1.2, 0.2, 1.2,
    ),
    "music box": Instrument(
        partial(bar, ratios=(1.0, 2.0, 6.27, 8.1), life=1.1, shine=0.3),
        2.5, 0.5, 0.8,
    ),
    "glass bells": Instrument(
        partial(bar, ratios=GLASS, life=2.4, shine=0.28),
        4.0, 0.8, 0.7, spread=0.6,
    ),
    "pluck": Instrument(
        partial(
            ensemble, players=2, detune=0.0025, slope=0.8, cutoff=4200, attack=0.002, closing=2.6,
        ),
        1.2, 0.08, 0.8,
    ),
    "saw stab": Instrument(
        partial(
            ensemble, players=3, detune=0.004, slope=0.9, cutoff=3600, attack=0.004, closing=0.9,
        ),
        1.4, 0.1, 0.7,
    ),
    "supersaw": Instrument(
        partial(ensemble, players=7, detune=0.006, slope=0.85, cutoff=5200, attack=0.02),
        6.0, 0.2, 0.5, spread=0.7,
    ),
    "analog brass": Instrument(
        partial(
            ensemble, players=3, detune=0.003, slope=1.0, cutoff=2300, attack=0.07, closing=0.03,
        ),
        6.0, 0.3, 0.6, spread=0.5,
    ),
    "horn section": Instrument(
        partial(
            ensemble, players=4, detune=0.0022, slope=0.7, cutoff=1700, attack=0.045, closing=0.04,
        ),
        4.0, 0.12, 0.6, spread=0.5,
    ),
    "strings": Instrument(
        partial(ensemble, players=6, detune=0.0028, slope=1.0, cutoff=2600, attack=0.28),
        8.0, 0.45, 0.62, spread=0.7,
    ),
    "dark strings": Instrument(
        partial(ensemble, players=6, detune=0.003, slope=1.2, cutoff=1300, attack=0.3),
        8.0, 0.4, 0.7, spread=0.7,
    ),
    "spiccato": Instrument(
        partial(
            ensemble, players=5, detune=0.003, slope=0.95, cutoff=2900, attack=0.012, closing=0.5,
        ),
        1.2, 0.12, 0.9, spread=0.5,
    ),
    "warm pad": Instrument(
        partial(ensemble, players=5, detune=0.0035, slope=1.25, cutoff=1100, attack=0.5),
        8.0, 0.7, 0.75, spread=0.8,
    ),
    "glass pad": Instrument(
        partial(ensemble, players=6, detune=0.0025, slope=1.7, cutoff=2600, attack=0.9, odd=0.4),
        9.0, 1.4, 0.95, spread=0.9,
    ),
    "dark pad": Instrument(
        partial(ensemble, players=5, detune=0.004, slope=1.35, cutoff=700, attack=0.6),
        8.0, 0.8, 0.9, spread=0.8,
    ),
    "choir": Instrument(
        partial(ensemble, players=7, detune=0.0045, slope=1.5, cutoff=1000, attack=0.35, odd=0.8),
        8.0, 0.6, 0.85, spread=0.8,
    ),
    "organ": Instrument(partial(organ, stops=STOPS), 8.0, 0.06, 0.5),
    "church organ": Instrument(partial(organ, stops=PIPES), 8.0, 0.25, 0.5, spread=0.5),
    "church bass": Instrument(partial(organ, stops=(0.3, 1.0, 0.0, 0.5, 0.1)), 8.0, 0.25, 0.9),
    "pulse": Instrument(partial(pulse, duty=0.25, fade=2.0), 2.0, 0.01, 0.45),
    "upright bass": Instrument(
        partial(plucked, bright=0.16, damping=1.2, place=0.3, body=0.3),
        2.8, 0.09, 1.3, spread=0.0,
    ),
    "electric bass": Instrument(
        partial(plucked, bright=0.32, damping=0.75, place=0.2, body=0.0),
        3.0, 0.06, 1.2, spread=0.0,
    ),
    "cello": Instrument(
        partial(ensemble, players=4, detune=0.002, slope=1.0, cutoff=900, attack=0.12),
        8.0, 0.3, 0.9, octave=1, spread=0.15,
    ),
    "tuba": Instrument(
        partial(ensemble, players=2, detune=0.0015, slope=1.1, cutoff=600, attack=0.04),
        4.0, 0.1, 0.9, spread=0.0,
    ),
    "synth bass": Instrument(
        partial(bass_synth, closing=1.5, cutoff=900),
        2.0, 0.03, 0.8, spread=0.0,
    ),
    "sub bass": Instrument(
        partial(bass_synth, closing=2.0, cutoff=220),
        6.0, 0.15, 1.0, spread=0.0,
    ),
    "reese": Instrument(
        partial(bass_synth, closing=0.1, cutoff=650, detune=0.008),
        4.0, 0.05, 0.75, spread=0.0,
    ),
    "triangle bass": Instrument(triangle, 2.0, 0.01, 1.0, spread=0.0),
    "808": Instrument(eight_oh_eight, 3.0, 0.05, 0.9, spread=0.0),
}  # fmt: skip
