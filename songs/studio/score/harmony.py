"""Harmony: modes, chord symbols, functional progressions and voice leading.

Chords are written in Roman numerals relative to the mode's own scale: in minor, `VI` is the
major triad on the lowered sixth. Bars are parted by `|`, chords within a bar by a space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
DEGREES = ("i", "ii", "iii", "iv", "v", "vi", "vii")
QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11), "mmaj7": (0, 3, 7, 11), "9": (0, 4, 10, 14), "m9": (0, 3, 10, 14),
    "maj9": (0, 4, 11, 14), "add9": (0, 4, 7, 14), "madd9": (0, 3, 7, 14), "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9), "sus4": (0, 5, 7), "sus2": (0, 2, 7), "7sus4": (0, 5, 7, 10),
    "dim": (0, 3, 6), "mdim": (0, 3, 6), "mh7": (0, 3, 6, 10),
}  # fmt: skip

Sections = dict[str, tuple[str, ...]]
PROGRESSIONS: dict[str, dict[bool, Sections]] = {
    "pop": {
        True: {"verse": ("I|V|vi|IV", "I|vi|IV|V", "I|iii|IV|V", "I|IV|vi|V", "Iadd9|vi|ii|V"),
               "chorus": ("IV|I|V|vi", "I|V|vi|IV", "vi|IV|I|V", "IV|V|iii|vi"),
               "bridge": ("vi|iii|IV|V", "ii|IV|vi|V7", "IV|iii|ii|V7")},
        False: {"verse": ("i|VI|III|VII", "i|iv|VI|V", "i|VII|VI|V", "i|v|VI|iv", "i|III|iv|V"),
                "chorus": ("VI|III|VII|i", "VI|VII|i|III", "iv|VI|i|V", "i|VI|III|VII"),
                "bridge": ("iv|VII|III|VI", "VI|iv|i|V", "iv|i|VI|V7")},
    },
    "lofi": {
        True: {"verse": ("IVmaj7|iii7|ii7|Imaj7", "ii9|V9|Imaj9|vi7", "Imaj9|vi9|ii9|V9"),
               "chorus": ("IVmaj7|V9|iii7|vi7", "IVmaj9|iii7|vi9|V7sus4"),
               "bridge": ("vi7|ii9|IVmaj7|V7sus4", "iii7|vi7|ii7|V9")},
        False: {"verse": ("i9|iv9|VImaj7|v7", "VImaj7|v7|iv7|i9", "i9|VImaj7|iv9|V7"),
                "chorus": ("VImaj7|VII|v7|i9", "iv9|VII7|IIImaj7|VImaj7"),
                "bridge": ("iv9|v7|VImaj7|VII", "VImaj7|iv9|iih7|V7")},
    },
    "jazz": {
        True: {"verse": ("Imaj7 vi7|ii7 V7|iii7 VI7|ii7 V7", "ii7|V7|Imaj7|vi7",
                         "Imaj7|vi7|ii7|V7"),
               "chorus": ("IVmaj7|V7|iii7|vi7", "ii7|V7|iii7 VI7|ii7 V7", "IVmaj7|iii7 VI7|ii7|V7"),
               "bridge": ("iii7|VI7|II7|V7", "vi7|II7|ii7|V7")},
        False: {"verse": ("i7|iv7|iih7|V7", "iih7|V7|i7|i6", "i7|VImaj7|iih7|V7"),
                "chorus": ("iv7|VII7|IIImaj7|VImaj7", "iv7|i7|iih7|V7"),
                "bridge": ("iv7|VII7|IIImaj7|iih7 V7", "VImaj7|iv7|iih7|V7")},
    },
    "blues": {
        True: {"verse": ("I7|IV7|I7|I7",), "chorus": ("IV7|IV7|I7|I7",),
               "bridge": ("V7|IV7|I7|V7",)},
        False: {"verse": ("i7|iv7|i7|i7",), "chorus": ("iv7|iv7|i7|i7",),
                "bridge": ("V7|iv7|i7|V7",)},
    },
    "club": {
        True: {"verse": ("I|V|vi|IV", "vi|IV|I|V", "I|ii|vi|IV"),
               "chorus": ("IV|V|vi|I", "vi|IV|I|V"), "bridge": ("ii|IV|vi|V", "IV|vi|ii|V")},
        False: {"verse": ("i|i|VI|VII", "i|i|iv|v", "i|VI|i|VII", "i|III|i|VII"),
                "chorus": ("VI|VII|i|i", "i|VI|III|VII", "VI|VII|v|i"),
                "bridge": ("iv|VI|VII|VII", "VI|iv|VII|v")},
    },
    "funk": {
        True: {"verse": ("I7|I7|IV9|I7", "I9|IV9|I9|IV9"), "chorus": ("IV9|IV9|I7|V7sus4",),
               "bridge": ("ii7|IV9|ii7|V7",)},
        False: {"verse": ("i7|IV7|i7|IV7", "i9|i9|iv9|VII7"),
                "chorus": ("VImaj7|VII|i7|i7", "iv9|VII7|IIImaj7|V7"),
                "bridge": ("iv7|v7|VImaj7|VII",)},
    },
    "ambient": {
        True: {"verse": ("Iadd9|Iadd9|IVmaj9|IVmaj9", "Imaj9|Imaj9|vi9|vi9",
                         "Iadd9|iii7|IVmaj9|IVmaj9"),
               "chorus": ("IVmaj9|IVmaj9|vi9|Iadd9", "IVmaj9|Iadd9|ii9|IVmaj9"),
               "bridge": ("ii9|ii9|IVmaj9|V7sus4",)},
        False: {"verse": ("i9|i9|VImaj7|VImaj7", "imadd9|IIImaj7|VImaj9|VImaj9"),
                "chorus": ("VImaj9|IIImaj7|iv9|i9", "VImaj9|VII|i9|i9"),
                "bridge": ("iv9|iv9|VImaj7|VIIsus2",)},
    },
    "rock": {
        True: {"verse": ("I|IV|I|V", "I|VII|IV|I", "I|IV|V|IV"),
               "chorus": ("IV|I|V|V", "I|V|IV|IV", "I|VII|IV|V"), "bridge": ("vi|IV|ii|V",)},
        False: {"verse": ("i|VII|VI|VII", "i|III|VII|iv", "i|i|VI|VII"),
                "chorus": ("VI|VII|i|i", "III|VII|i|VI", "i|VI|III|VII"),
                "bridge": ("iv|VI|VII|VII", "VI|VI|iv|V")},
    },
    "metal": {
        True: {"verse": ("I|VII|IV|I",), "chorus": ("IV|I|V|V",), "bridge": ("vi|IV|ii|V",)},
        False: {"verse": ("i|i|VI|VII", "i|VI|i|II", "i|i|iv|VI"),
                "chorus": ("VI|VII|i|i", "i|VI|III|VII"), "bridge": ("iv|VI|i|VII", "VI|iv|i|V")},
    },
    "folk": {
        True: {"verse": ("I|I|IV|V", "I|IV|I|V", "I|vi|IV|V", "I|V|IV|I"),
               "chorus": ("IV|I|V|I", "IV|I|IV|V", "I|IV|I V|I"), "bridge": ("vi|IV|I|V",
               "ii|IV|I|V")},
        False: {"verse": ("i|VII|i|v", "i|III|VII|i", "i|iv|VII|i"),
                "chorus": ("III|VII|i|VI", "VI|VII|i|i"), "bridge": ("iv|i|VI|VII", "VI|III|iv|V")},
    },
    "classical": {
        True: {"verse": ("I|V7|V7|I", "I|ii|V7|I", "I|IV|V7|I", "I|vi|ii|V7"),
               "chorus": ("IV|I|V7|I", "vi|ii|V7|I", "I|IV|ii|V7"),
               "bridge": ("vi|iii|IV|V7", "II7|V|II7|V7", "IV|I|ii|V7")},
        False: {"verse": ("i|V7|V7|i", "i|iv|V7|i", "i|VI|iv|V7"),
                "chorus": ("III|VII|i|V7", "VI|iv|V7|i", "iv|i|V7|i"),
                "bridge": ("VI|III|iv|V7", "III|VII7|III|V7")},
    },
    "hymn": {
        True: {"verse": ("I|IV I|V|I", "I V|vi iii|IV I|V", "I|vi|ii V|I"),
               "chorus": ("IV|I|ii V|I", "vi IV|I V|IV V|I"), "bridge": ("vi|iii|IV|V",)},
        False: {"verse": ("i|iv i|V|i", "i VII|III iv|i|V"), "chorus": ("III|VII|iv V|i",),
                "bridge": ("VI|III|iv|V",)},
    },
    "cinematic": {
        True: {"verse": ("I|V|vi|iii", "I|iii|IV|V", "vi|IV|I|V"),
               "chorus": ("I|V|vi|IV", "IV|V|vi|I"), "bridge": ("ii|vi|IV|V",)},
        False: {"verse": ("i|VI|III|VII", "i|v|VI|III", "i|VI|iv|V"),
                "chorus": ("i|III|VII|VI", "VI|VII|i|III", "i|VI|III|VII"),
                "bridge": ("iv|i|VI|V", "VI|III|iv|V")},
    },
    "synthwave": {
        True: {"verse": ("I|vi|IV|V",), "chorus": ("IV|V|I|vi",), "bridge": ("ii|IV|V|V",)},
        False: {"verse": ("i|VI|III|VII", "i|i|VI|VII", "VI|VII|i|i"),
                "chorus": ("VI|VII|i|III", "i|VII|VI|VII", "VI|III|VII|i"),
                "bridge": ("iv|VI|VII|v", "iv|v|VI|VII")},
    },
    "reggae": {
        True: {"verse": ("I|IV|I|V", "I|vi|IV|V", "I|ii|I|ii"), "chorus": ("IV|I|V|I", "I|V|vi|IV"),
               "bridge": ("vi|iii|IV|V",)},
        False: {"verse": ("i|iv|i|v", "i|VII|VI|VII", "i|iv|VII|i"), "chorus": ("VI|VII|i|i",
                "iv|i|VII|i"), "bridge": ("iv|v|VI|VII",)},
    },
    "latin": {
        True: {"verse": ("Imaj9|Imaj9|ii9|V9", "Imaj7|vi7|ii9|V7", "Imaj9|II9|ii9|V9"),
               "chorus": ("ii9|V9|Imaj9|vi7", "IVmaj7|iii7|ii9|V9"),
               "bridge": ("iii7|VI7|ii9|V7",)},
        False: {"verse": ("i7|i7|iv7|V7", "i7|VII7|VImaj7|V7", "i|iv|V7|i"),
                "chorus": ("iv7|VII7|IIImaj7|V7", "i7|iv7|iih7|V7"),
                "bridge": ("VImaj7|iv7|iih7|V7",)},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Chord:
    """A chord: root pitch class (0-11), tones as semitones above it, and its numeral."""

    root: int
    intervals: tuple[int, ...]
    numeral: str

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def fifth(self) -> int:
        return next((i for i in self.intervals if i in (6, 7, 8)), 7)


@cache
def chord(numeral: str, tonic: int, mode: str) -> Chord:
    """`iv9` in A minor -> D minor ninth. Raises ValueError for a numeral it cannot read."""
    match = re.fullmatch(r"(b|#)?([ivIV]+)(.*)", numeral)
    if not match or match.group(2).lower() not in DEGREES:
        raise ValueError(f"not a Roman numeral: {numeral!r}")
    accidental, degree, suffix = match.groups()
    shift = {"b": -1, "#": 1, None: 0}[accidental]
    root = (tonic + MODES[mode][DEGREES.index(degree.lower())] + shift) % 12
    minor = degree.islower() and not suffix.startswith("m")
    return Chord(root, QUALITIES[("m" if minor else "") + suffix], numeral)


def bars(progression: str, tonic: int, mode: str) -> list[list[Chord]]:
    """A progression as bars of chords. In a mode without a dominant, `V` keeps its major third."""
    return [[chord(name, tonic, mode) for name in bar.split()] for bar in progression.split("|")]


@cache
def scale(harmony: Chord, tonic: int, mode: str) -> tuple[int, ...]:
    """Pitch classes that sound right over a chord: the mode, bent where the chord bends it."""
    natural = {(tonic + step) % 12 for step in MODES[mode]}
    foreign = [c for c in harmony.classes if c not in natural]
    for tone in foreign:
        natural -= {(tone - 1) % 12, (tone + 1) % 12} - set(harmony.classes)
    return tuple(sorted(natural | set(harmony.classes)))


def lead(harmony: Chord, previous: list[int] | None, centre: int = 60) -> list[int]:
    """Voice a chord close to the one before it: common tones stay, the others move least."""
    options = _voicings(harmony.classes, centre)
    if previous is None:
        costs = [abs(float(np.mean(option)) - centre) for option in options]
    else:
        costs = [_motion(previous, option) + _drift(option, centre) for option in options]
    return list(options[int(np.argmin(costs))])


@cache
def _voicings(classes: tuple[int, ...], centre: int) -> tuple[tuple[int, ...], ...]:
    """Every voicing within a tenth either side of `centre`, no wider than a twelfth."""
    window = range(centre - 10, centre + 12)
    places = [[p for p in window if p % 12 == pitch_class] for pitch_class in classes]
    options = {tuple(sorted(choice)) for choice in product(*places)}
    good = [o for o in options if o[-1] - o[0] <= 17 and _is_clear(o)]
    return tuple(sorted(good or options))


def _is_clear(voicing: tuple[int, ...]) -> bool:
    gaps = np.diff(voicing)
    return bool(gaps.min() >= 1 and not (gaps[-1] == 1 or (voicing[0] < 54 and gaps[0] < 3)))


def _motion(previous: list[int], option: tuple[int, ...]) -> float:
    there = sum(min(abs(p - q) for q in option) for p in previous)
    back = sum(min(abs(p - q) for q in previous) for p in option)
    top = abs(previous[-1] - option[-1])
    return there + back + 0.5 * top


def _drift(option: tuple[int, ...], centre: int) -> float:
    return 0.35 * abs(float(np.mean(option)) - centre)
