"""Palettes: five colours for a feeling. Ground, second ground, and three to draw with."""

from __future__ import annotations

import numpy as np

from songs.studio.words.brief import Brief

Colour = tuple[int, int, int]
Palette = tuple[Colour, ...]

_SORROW = ("0f1b2d 27405e 6f8fae c9d6df e0a458", "151a24 2f3b52 7c8aa5 d8dee9 b86f52",
           "101d1f 1f4047 5b8a8a cfe0d8 d98e5f", "1b1726 3a3452 8078a0 dcd6e8 d5a06c")  # fmt: skip
_JOY = ("fff1d6 ffd166 ef476f 06a59a 264653", "fdf0d5 f7a072 eb5e55 3a7ca5 2b2d42",
        "fef6e4 f9c74f f3722c 43aa8b 31456a", "f6f4e8 ffcb47 ff7f51 5fa8a0 2d3047")  # fmt: skip
_STORM = ("0b0a0d 2a1013 8c1c13 e4572e f3d9b1", "0d0d0d 22201f 7a1f1f d7263d f5efe6",
          "0c1013 1c2a30 5b2333 c8553d f2e8cf", "100b14 2c1732 6a1b4d d1495b edae49")  # fmt: skip
_REPOSE = ("f3ecdf dcd2bf a3b18a 588157 3a5a40", "efe6f2 cdb9dd a58fc4 6d6a9c 33345c",
           "eaf1ee bcd8d0 85b8ae 4f7f84 27474e", "f7ebe1 e9c9b4 d3968c 8b6b7a 3f3d56")  # fmt: skip
_EARTH = ("f2e8d5 d9a566 b5542f 54443b 1f2a30", "efe3d0 c98b5e 7a4a35 3d5a58 1e2528",
          "f4ead9 dfb46c c8553d 588b8b 22333b", "ece4d6 b8a07e 7d6b57 a4432f 24272b")  # fmt: skip
_NEON = ("120b2e 3a1366 c2269a ff6b8b ffd36e", "0a1030 14296b 2f6fe0 34d6d0 f4f9ff",
         "0d0b24 2b1a63 7a2ff2 f03fb0 6ff2e8", "0b1020 1b2350 e0368c ff9a5c fff0b8")  # fmt: skip
_NEON_STYLES = {"synthwave", "techno", "trance", "house", "drum and bass", "trap", "chiptune"}


def palette(brief: Brief, dice: np.random.Generator) -> Palette:
    """A palette of the feeling, chosen by the song's random generator."""
    family = _family(brief)
    return tuple(_colour(code) for code in str(dice.choice(family)).split())


def _family(brief: Brief) -> tuple[str, ...]:
    mood = brief.mood
    if mood.valence < -0.3 and (
        mood.arousal > 0.3 or brief.style.energy > 0.75 or mood.label == "Dark"
    ):
        return _STORM
    if brief.style.name in _NEON_STYLES or (mood.label == "Dreamy" and brief.style.energy > 0.5):
        return _NEON
    if mood.valence < -0.3:
        return _SORROW
    if brief.style.name == "cinematic":
        return _STORM if mood.arousal > 0.3 else _EARTH
    if mood.arousal < -0.3 or brief.style.energy < 0.2:
        return _REPOSE
    if mood.valence > 0.6 or mood.arousal > 0.6:
        return _STORM if brief.style.name in ("rock", "metal") else _JOY
    return _STORM if brief.style.name == "metal" else _EARTH


def _colour(code: str) -> Colour:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    mixed = [
        round(a + (b - a) * min(max(share, 0.0), 1.0)) for a, b in zip(first, second, strict=True)
    ]
    return mixed[0], mixed[1], mixed[2]
