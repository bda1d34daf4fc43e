"""Drums: every piece of every kit, synthesised once for a song."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from songs.studio.sound.synthesis import Audio, decay, loudest, noise, ring, shaped, sweep

Stroke = Callable[[np.random.Generator], Audio]
METAL = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0, 1172.0, 1630.0, 2310.0, 3120.0)


@dataclass(frozen=True)
class Kit:
    """How a kit sounds: its kick, snare, and how bright and long the rest is."""

    kick: tuple[float, float, float, float]  # start Hz, end Hz, half-life s, click
    snare: tuple[float, float, float]  # tone Hz, half-life s, noise share
    bright: float = 1.0
    long: float = 1.0
    level: float = 1.0


KITS: dict[str, Kit] = {
    "studio": Kit((150, 52, 0.07, 0.35), (190, 0.055, 0.65)),
    "brush": Kit((110, 55, 0.06, 0.12), (210, 0.06, 0.9), 0.7, 0.8, 0.7),
    "dusty": Kit((130, 50, 0.08, 0.18), (175, 0.05, 0.6), 0.55, 0.8),
    "machine": Kit((210, 47, 0.10, 0.5), (200, 0.07, 0.75), 1.1, 0.8),
    "gated": Kit((170, 50, 0.08, 0.4), (180, 0.12, 0.7), 1.0, 1.2),
    "big": Kit((165, 50, 0.075, 0.6), (185, 0.08, 0.62), 1.1, 1.3),
    "epic": Kit((95, 42, 0.16, 0.2), (170, 0.07, 0.8), 0.8, 1.4),
    "latin": Kit((120, 55, 0.06, 0.2), (220, 0.05, 0.6), 0.9, 0.8, 0.85),
    "chip": Kit((320, 60, 0.045, 0.0), (260, 0.04, 0.95), 0.9, 0.4, 0.7),
}
# piece -> (level, pan -1..1, share sent to the reverb)
PLACES: dict[str, tuple[float, float, float]] = {
    "kick": (1.0, 0.0, 0.02), "snare": (0.8, 0.05, 0.22), "clap": (0.62, -0.05, 0.25),
    "rim": (0.42, 0.15, 0.2), "hat": (0.26, 0.3, 0.03), "open hat": (0.3, 0.3, 0.06),
    "pedal hat": (0.26, 0.3, 0.05), "ride": (0.27, -0.32, 0.1), "crash": (0.42, -0.25, 0.3),
    "high tom": (0.65, 0.3, 0.2), "mid tom": (0.7, 0.0, 0.2), "low tom": (0.75, -0.3, 0.2),
    "tambourine": (0.2, -0.35, 0.15), "shaker": (0.17, -0.3, 0.08), "conga": (0.5, -0.25, 0.15),
    "clave": (0.3, 0.3, 0.25), "cowbell": (0.25, 0.2, 0.12), "timpani": (0.9, -0.15, 0.4),
    "taiko": (0.95, 0.1, 0.4),
}  # fmt: skip


def stroke(kit_name: str, piece: str, dice: np.random.Generator) -> Audio:
    """One stroke at full force, peak 1."""
    kit = KITS[kit_name]
    sound = _BUILDERS[piece](kit, dice)
    return shaped(loudest(sound, kit.level), 0.0006, 0.02)


def _kick(kit: Kit, dice: np.random.Generator) -> Audio:
    start, end, life, click = kit.kick
    length = life * 7
    body = sweep(length, start, end, 38) * decay(length, life)
    tick = noise(length, 1200, 6000 * kit.bright, dice) * decay(length, 0.0022)
    return np.tanh(1.4 * body).astype(np.float32) + 0.22 * click * tick


def _snare(kit: Kit, dice: np.random.Generator) -> Audio:
    tone, life, share = kit.snare
    length = life * 8
    head = ring([tone, tone * 1.59, tone * 2.14], [1, 0.6, 0.3], [22, 30, 36], length)
    wires = noise(length, 700, 9000 * kit.bright, dice) * decay(length, life)
    snap = noise(length, 2000, 9000, dice) * decay(length, 0.006)
    return (1 - share) * head + share * 0.32 * wires + 0.12 * snap


def _clap(kit: Kit, dice: np.random.Generator) -> Audio:
    sound = noise(0.35, 800, 6500 * kit.bright, dice) * decay(0.35, 0.045) * np.float32(0.6)
    for delay_at in (0.0, 0.011, 0.023):
        start = round(delay_at * 44_100)
        burst = noise(0.02, 900, 7000, dice) * decay(0.02, 0.004)
        sound[start : start + len(burst)] += burst
    return sound


def _cymbal(
    life: float, low: float, high: float, ping: float
) -> Callable[[Kit, np.random.Generator], Audio]:
    def build(kit: Kit, dice: np.random.Generator) -> Audio:
        half_life = life * kit.long
        length = min(3.0, half_life * 7)
        wash = noise(length, low, high * kit.bright, dice, tilt=1.0) * decay(length, half_life)
        f = np.array(METAL) * 3.1 + dice.uniform(-30, 30, len(METAL))
        rings = ring(
            f[f > low / 2],
            ping,
            0.7 / half_life,
            length,
            dice.uniform(0, 6, int(np.sum(f > low / 2))),
        )
        return wash * 0.5 + rings * 0.12

    return build


def _tom(frequency: float) -> Callable[[Kit, np.random.Generator], Audio]:
    def build(kit: Kit, dice: np.random.Generator) -> Audio:
        length = 0.55 * kit.long
        body = sweep(length, frequency * 1.7, frequency, 26) * decay(length, 0.09 * kit.long)
        skin = noise(length, 300, 3000, dice) * decay(length, 0.012)
        return body + 0.08 * skin

    return build


def _short_noise(
    low: float, high: float, attack: float, life: float
) -> Callable[[Kit, np.random.Generator], Audio]:
    def build(kit: Kit, dice: np.random.Generator) -> Audio:
        length = attack + life * 7
        return shaped(noise(length, low, high * kit.bright, dice) * decay(length, life), attack)

    return build


def _knock(
    frequencies: tuple[float, ...], rate: float, length: float
) -> Callable[[Kit, np.random.Generator], Audio]:
    def build(kit: Kit, dice: np.random.Generator) -> Audio:
        gains = [1 / (i + 1) for i in range(len(frequencies))]
        tap = noise(length, 1500, 6000, dice) * decay(length, 0.002)
        return ring(frequencies, gains, rate, length) + 0.1 * tap

    return build


def _timpani(kit: Kit, dice: np.random.Generator) -> Audio:
    f = 73.4 * np.array([1.0, 1.5, 1.98, 2.44])
    sound = ring(f, [1, 0.6, 0.35, 0.2], [2.2, 2.8, 3.6, 5], 2.0)
    return sound + 0.12 * noise(2.0, 60, 600, dice) * decay(2.0, 0.02)


_BUILDERS: dict[str, Callable[[Kit, np.random.Generator], Audio]] = {
    "kick": _kick,
    "snare": _snare,
    "clap": _clap,
    "rim": _knock((480.0, 1710.0, 2260.0), 75.0, 0.12),
    "hat": _cymbal(0.022, 6500, 13000, 0.5),
    "pedal hat": _cymbal(0.03, 5000, 11000, 0.4),
    "open hat": _cymbal(0.1, 6000, 13000, 0.5),
    "ride": _cymbal(0.28, 4500, 11000, 1.0),
    "crash": _cymbal(0.5, 2500, 12000, 0.5),
    "high tom": _tom(175.0),
    "mid tom": _tom(130.0),
    "low tom": _tom(92.0),
    "taiko": _tom(62.0),
    "tambourine": _short_noise(7000, 14000, 0.004, 0.035),
    "shaker": _short_noise(5000, 11000, 0.02, 0.02),
    "conga": _knock((208.0, 416.0, 640.0), 16.0, 0.4),
    "clave": _knock((2490.0, 3750.0), 55.0, 0.15),
    "cowbell": _knock((587.0, 845.0, 1440.0), 18.0, 0.4),
    "timpani": _timpani,
}
