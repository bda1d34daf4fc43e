"""Effects: the amplifiers, choruses and compressors of the players."""

from __future__ import annotations

from collections.abc import Callable

import pedalboard as pb


def effects_of(instrument: str) -> pb.Pedalboard | None:
    """A new chain of effects for a player, or None. Effects keep state, so none is used twice."""
    build = _CHAINS.get(instrument)
    return pb.Pedalboard(build()) if build else None


def _amp(drive: float, cut: float) -> Callable[[], list[pb.Plugin]]:
    return lambda: [
        pb.HighpassFilter(90), pb.Gain(8), pb.Distortion(drive), pb.HighpassFilter(80),
        pb.PeakFilter(750, -3, 0.9), pb.PeakFilter(2600, 3, 0.8), pb.LowpassFilter(cut),
        pb.LowpassFilter(cut), pb.LowpassFilter(cut * 1.3), pb.Gain(-9 - drive / 3),
    ]  # fmt: skip


_CHAINS: dict[str, Callable[[], list[pb.Plugin]]] = {
    "crunch guitar": _amp(16, 4200),
    "heavy guitar": _amp(28, 3900),
    "lead guitar": lambda: [
        pb.Gain(4), pb.Distortion(14), pb.LowpassFilter(3600), pb.LowpassFilter(4500), pb.Gain(-9),
    ],
    "clean guitar": lambda: [pb.Chorus(0.8, 0.15, 6, 0.0, 0.3), pb.HighpassFilter(110)],
    "electric piano": lambda: [pb.Chorus(1.1, 0.2, 7, 0.0, 0.4), pb.LowpassFilter(5200)],
    "organ": lambda: [pb.Chorus(5.2, 0.12, 5, 0.0, 0.45), pb.LowpassFilter(4500)],
    "warm pad": lambda: [pb.Chorus(0.5, 0.25, 9, 0.0, 0.5), pb.HighpassFilter(130)],
    "glass pad": lambda: [pb.Chorus(0.3, 0.3, 9, 0.0, 0.5), pb.HighpassFilter(130)],
    "strings": lambda: [pb.HighpassFilter(140), pb.HighShelfFilter(5000, -2)],
    "supersaw": lambda: [pb.HighpassFilter(180)],
    "reese": lambda: [pb.Phaser(0.4, 0.4, 500, 0.1, 0.4), pb.LowpassFilter(1400)],
    "voice": lambda: [
        pb.HighpassFilter(150), pb.Compressor(-20, 2.5, 8, 120), pb.HighShelfFilter(6000, 2),
    ],
    "electric bass": lambda: [pb.HighpassFilter(34), pb.Compressor(-18, 3, 10, 120), pb.Gain(2)],
    "upright bass": lambda: [pb.HighpassFilter(34), pb.Compressor(-18, 2.5, 12, 140), pb.Gain(2)],
}  # fmt: skip


def kit_effects(kit: str) -> pb.Pedalboard:
    if kit == "dusty":
        return pb.Pedalboard([pb.LowpassFilter(7000), pb.Compressor(-16, 3, 6, 90)])
    return pb.Pedalboard([pb.Compressor(-12, 2.5, 8, 110)])
