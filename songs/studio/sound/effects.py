"""Effects: the amplifiers, choruses and compressors of the players."""

from __future__ import annotations

from collections.abc import Callable

from songs.studio.sound.pedals import (
    Chain,
    Chorus,
    Compressor,
    Distortion,
    Effect,
    Gain,
    Phaser,
    high_pass,
    high_shelf,
    low_pass,
    peak,
)


def effects_of(instrument: str) -> Chain | None:
    """A new chain of effects for a player, or None. Effects keep state, so none is used twice."""
    build = _CHAINS.get(instrument)
    return Chain(build()) if build else None


def _amp(drive: float, cut: float) -> Callable[[], list[Effect]]:
    return lambda: [
        high_pass(90), Gain(8), Distortion(drive), high_pass(80),
        peak(750, -3, 0.9), peak(2600, 3, 0.8), low_pass(cut),
        low_pass(cut), low_pass(cut * 1.3), Gain(-9 - drive / 3),
    ]  # fmt: skip


_CHAINS: dict[str, Callable[[], list[Effect]]] = {
    "crunch guitar": _amp(16, 4200),
    "heavy guitar": _amp(28, 3900),
    "lead guitar": lambda: [
        Gain(4), Distortion(14), low_pass(3600), low_pass(4500), Gain(-9),
    ],
    "clean guitar": lambda: [Chorus(0.8, 0.15, 6, 0.3), high_pass(110)],
    "electric piano": lambda: [Chorus(1.1, 0.2, 7, 0.4), low_pass(5200)],
    "organ": lambda: [Chorus(5.2, 0.12, 5, 0.45), low_pass(4500)],
    "warm pad": lambda: [Chorus(0.5, 0.25, 9, 0.5), high_pass(130)],
    "glass pad": lambda: [Chorus(0.3, 0.3, 9, 0.5), high_pass(130)],
    "strings": lambda: [high_pass(140), high_shelf(5000, -2)],
    "supersaw": lambda: [high_pass(180)],
    "reese": lambda: [Phaser(0.4, 250, 1000, 0.4), low_pass(1400)],
    "voice": lambda: [
        high_pass(150), Compressor(-20, 2.5, 8, 120), high_shelf(6000, 2),
    ],
    "electric bass": lambda: [high_pass(34), Compressor(-18, 3, 10, 120), Gain(2)],
    "upright bass": lambda: [high_pass(34), Compressor(-18, 2.5, 12, 140), Gain(2)],
}  # fmt: skip


def kit_effects(kit: str) -> Chain:
    if kit == "dusty":
        return Chain([low_pass(7000), Compressor(-16, 3, 6, 90)])
    return Chain([Compressor(-12, 2.5, 8, 110)])
