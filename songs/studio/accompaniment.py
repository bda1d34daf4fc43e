"""Accompaniment: how chordal instruments and the bass play the harmony of a bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .notes import Note, Slot

# (beat, length, what, accent). What: all, upper, top, root, fifth, low (root and octave), an
# index up the arpeggio, or a strum (down, up).
Stroke = tuple[float, float, str | int, float]
Pattern = tuple[Stroke, ...]


def _even(
    step: float, length: float, picks: Sequence[str | int], accents: Sequence[float]
) -> Pattern:
    return tuple(
        (i * step, length, pick, accents[i % len(accents)]) for i, pick in enumerate(picks)
    )


COMP: dict[str, tuple[Pattern, Pattern]] = {
    "ballad": (
        ((0, 4, "root", 0.8), *_even(1, 1.4, (0, 2, 3, 2), (0.8, 0.6))),
        ((0, 2, "low", 0.9), (2, 2, "fifth", 0.7), *_even(0.5, 1.2, (0, 1, 2, 3, 4, 3, 2, 1), (0.85, 0.55, 0.65, 0.55))),
    ),
    "pulse": (((0, 2, "root", 0.8), (0, 1.9, "all", 0.7), (2, 1.9, "all", 0.6)),
              ((0, 2, "low", 0.9), (2, 2, "root", 0.7), *_even(1, 0.9, ("all",) * 4, (0.8, 0.62, 0.72, 0.62)))),
    "block": (((0, 4, "low", 0.7), (0, 4, "all", 0.7)), ((0, 2, "low", 0.8), (0, 2, "all", 0.8), (2, 2, "all", 0.7))),
    "pad": (((0, 4, "all", 0.6),), ((0, 4, "all", 0.8),)),
    "sparse": (((0, 2.5, 0, 0.7), (0.5, 2.5, 2, 0.55), (1, 3, 3, 0.6)),
               ((0, 2, 0, 0.75), (0.5, 2, 1, 0.55), (1, 2, 2, 0.6), (1.5, 2.5, 4, 0.65), (3, 1.5, 3, 0.5))),
    "arp": (_even(1, 1.5, (0, 2, 3, 2), (0.75, 0.6)), _even(0.5, 1, (0, 1, 2, 3, 4, 3, 2, 1), (0.8, 0.55, 0.65, 0.55))),
    "lofi": (((0, 1.6, "all", 0.75), (0, 2, "root", 0.7), (2.5, 1.3, "upper", 0.55)),
             ((0, 1.3, "all", 0.8), (0, 1.5, "root", 0.75), (1.5, 0.45, "upper", 0.5), (2.5, 1.4, "all", 0.62))),
    "comp": (((0, 1.4, "all", 0.65), (1.5, 0.4, "upper", 0.7)), ((0.5, 0.5, "all", 0.65), (1.5, 0.4, "all", 0.75), (2.5, 0.9, "upper", 0.55), (3.5, 0.4, "all", 0.6))),
    "strum": (((0, 1.9, "down", 0.8), (2, 0.9, "down", 0.65), (3, 0.5, "down", 0.55), (3.5, 0.5, "up", 0.5)),
              ((0, 1, "down", 0.9), (1, 0.5, "down", 0.65), (1.5, 0.5, "up", 0.55), (2.5, 0.5, "up", 0.6), (3, 0.5, "down", 0.75), (3.5, 0.5, "up", 0.55))),
    "pick": (((0, 2, "root", 0.8), (2, 2, "fifth", 0.7), *_even(0.5, 1, (2, 1, 3, 2, 2, 1, 3, 1), (0.4, 0.55))),
             ((0, 1, "root", 0.9), (1, 1, "fifth", 0.65), (2, 1, "root", 0.75), (3, 1, "fifth", 0.65), *_even(0.5, 0.9, (3, 1, 2, 3, 4, 1, 3, 2), (0.5, 0.65)))),
    "roll": (_even(0.5, 0.6, (0, 2, 3, 1, 2, 3, 0, 3), (0.6, 0.45)), _even(0.25, 0.4, (0, 2, 3, 1, 2, 3, 0, 3) * 2, (0.65, 0.42, 0.52, 0.42))),
    "alberti": (_even(1, 0.95, (0, 2, 1, 2), (0.7, 0.5)), ((0, 2, "root", 0.75), (2, 2, "root", 0.6), *_even(0.5, 0.5, (0, 2, 1, 2) * 2, (0.65, 0.48, 0.55, 0.48)))),
    "waltz": (((0, 2.6, "root", 0.8), (1, 0.8, "upper", 0.5), (2, 0.8, "upper", 0.45)), ((0, 2.8, "low", 0.9), (1, 0.8, "all", 0.6), (2, 0.8, "all", 0.52))),
    "march": (((0.5, 0.35, "all", 0.6), (1.5, 0.35, "all", 0.6), (2.5, 0.35, "all", 0.6), (3.5, 0.35, "all", 0.6)),
              ((0, 0.8, "all", 0.85), (1.5, 0.4, "all", 0.6), (2, 0.8, "all", 0.75), (3, 0.4, "all", 0.65), (3.5, 0.4, "all", 0.65))),
    "skank": (((1, 0.22, "all", 0.75), (3, 0.22, "all", 0.75)), ((1, 0.22, "all", 0.85), (1.5, 0.15, "upper", 0.45), (3, 0.22, "all", 0.85), (3.5, 0.15, "upper", 0.45))),
    "bubble": (_even(0.5, 0.2, (0, "upper") * 4, (0.35, 0.55)), _even(0.5, 0.22, (0, "upper") * 4, (0.45, 0.65))),
    "backbeat": (((1, 0.3, "upper", 0.6), (3, 0.3, "upper", 0.6)), ((1, 0.3, "upper", 0.75), (2.5, 0.25, "top", 0.5), (3, 0.3, "upper", 0.75))),
    "stab": (((0, 0.6, "all", 0.7), (1.5, 0.4, "all", 0.65)), ((0, 0.45, "all", 0.8), (0.75, 0.4, "all", 0.65), (1.5, 0.4, "all", 0.75), (2.5, 0.4, "all", 0.7), (3.25, 0.4, "all", 0.62))),
    "sixteenth": (_even(0.25, 0.3, (0, 2, 1, 3) * 4, (0.75, 0.45, 0.58, 0.45)), _even(0.25, 0.3, (0, 2, 3, 4, 2, 3, 1, 2) * 2, (0.8, 0.48, 0.62, 0.48))),
    "power": (_even(0.5, 0.42, ("power",) * 8, (0.8, 0.6)), ((0, 1.4, "power", 0.95), (1.5, 0.9, "power", 0.8), (2.5, 0.45, "power", 0.75), (3, 0.95, "power", 0.85))),
    "chug": (((0, 0.3, "power", 0.9), (0.5, 0.2, "root", 0.6), (0.75, 0.2, "root", 0.6), (1, 0.3, "root", 0.75), (1.5, 0.2, "root", 0.6), (1.75, 0.2, "root", 0.6),
              (2, 0.3, "power", 0.85), (2.5, 0.2, "root", 0.6), (2.75, 0.2, "root", 0.6), (3, 0.4, "power", 0.8), (3.5, 0.2, "root", 0.6), (3.75, 0.2, "root", 0.6)),
             ((0, 1.9, "power", 0.95), (2, 0.95, "power", 0.85), (3, 0.45, "power", 0.8), (3.5, 0.45, "power", 0.8))),
    "funk": (((0.5, 0.12, "upper", 0.6), (1.75, 0.12, "upper", 0.5), (2.5, 0.2, "upper", 0.65)),
             ((0, 0.2, "upper", 0.75), (0.5, 0.1, "upper", 0.45), (0.75, 0.12, "upper", 0.6), (1.5, 0.12, "upper", 0.6), (1.75, 0.1, "upper", 0.42), (2.5, 0.2, "upper", 0.7), (3.25, 0.1, "upper", 0.5), (3.5, 0.15, "upper", 0.62))),
    "bossa": (((0, 1.2, "root", 0.6), (0, 1, "upper", 0.6), (1.5, 0.9, "upper", 0.62), (2.5, 1.2, "upper", 0.55)),
              ((0, 1.4, "root", 0.7), (0, 0.45, "upper", 0.65), (0.75, 0.6, "upper", 0.55), (1.5, 0.9, "upper", 0.7), (2, 1.4, "fifth", 0.6), (2.5, 0.7, "upper", 0.6), (3.25, 0.6, "upper", 0.62))),
    "montuno": (((0, 0.4, "all", 0.7), (0.75, 0.4, "top", 0.6), (1.5, 0.4, "all", 0.65), (2.5, 0.4, "top", 0.6), (3.5, 0.4, "all", 0.6)),
                ((0, 0.4, "low", 0.8), (0.5, 0.3, 2, 0.6), (0.75, 0.3, "upper", 0.7), (1.25, 0.3, 1, 0.55), (1.5, 0.4, "all", 0.72), (2.25, 0.3, 2, 0.55), (2.5, 0.3, "upper", 0.7), (3, 0.3, 1, 0.55), (3.5, 0.4, "all", 0.7))),
    "shuffle": (((0, 0.5, "root", 0.7), (0.5, 0.3, "upper", 0.45), (1, 0.4, "upper", 0.65), (2, 0.5, "root", 0.7), (3, 0.4, "upper", 0.65)),
                (*_even(1, 0.45, ("root",) * 4, (0.7,)), *((b, 0.4, "upper", a) for b, a in ((0.5, 0.5), (1, 0.72), (1.5, 0.5), (2.5, 0.5), (3, 0.72), (3.5, 0.5))))),
    "boom chick": (((0, 0.9, "root", 0.8), (1, 0.5, "down", 0.55), (2, 0.9, "fifth", 0.75), (3, 0.5, "down", 0.55)),
                   ((0, 0.9, "root", 0.9), (1, 0.45, "down", 0.7), (1.5, 0.4, "up", 0.45), (2, 0.9, "fifth", 0.8), (3, 0.45, "down", 0.7), (3.5, 0.4, "up", 0.5))),
    "ostinato": (_even(0.5, 0.3, (0, 2, 1, 2) * 2, (0.75, 0.5, 0.6, 0.5)), _even(0.25, 0.2, (0, 0, 2, 2, 1, 1, 2, 2) * 2, (0.85, 0.5, 0.65, 0.5))),
}  # fmt: skip

# (beat, length, what, accent). What: root, fifth, octave, third, near (leads to the next root).
BASS: dict[str, tuple[Pattern, Pattern]] = {
    "root": (((0, 4, "root", 0.75),), ((0, 3, "root", 0.85), (3, 1, "fifth", 0.6))),
    "two": (((0, 2, "root", 0.8), (2, 2, "fifth", 0.7)), ((0, 1.4, "root", 0.9), (2, 1.2, "fifth", 0.78), (3.5, 0.45, "near", 0.6))),
    "waltz": (((0, 2.6, "root", 0.8),), ((0, 1.9, "root", 0.9), (2, 0.9, "near", 0.55))),
    "eighths": (_even(0.5, 0.44, ("root",) * 8, (0.8, 0.66)), (*_even(0.5, 0.44, ("root",) * 7, (0.9, 0.7)), (3.5, 0.44, "near", 0.75))),
    "octaves": (_even(0.5, 0.4, ("root", "octave") * 4, (0.8, 0.62)), (*_even(0.5, 0.4, ("root", "octave") * 3, (0.9, 0.7)), (3, 0.24, "root", 0.85), (3.25, 0.24, "root", 0.6), (3.5, 0.4, "near", 0.7))),
    "offbeat": (_even(1, 0.42, ("root",) * 4, (0.8,)), (*_even(1, 0.42, ("root",) * 4, (0.9,)), (1.25, 0.2, "octave", 0.55), (3.25, 0.2, "near", 0.55))),
    "rolling": (tuple((b + k, 0.2, "root", a) for b in range(4) for k, a in ((0.25, 0.6), (0.5, 0.75), (0.75, 0.62))),) * 2,
    "reggae": (((0, 0.9, "root", 0.85), (1.5, 0.45, "third", 0.7), (2, 0.9, "fifth", 0.8)), ((0, 0.7, "root", 0.9), (0.75, 0.4, "root", 0.65), (1.5, 0.45, "third", 0.75), (2, 0.7, "fifth", 0.85), (3, 0.4, "third", 0.7), (3.5, 0.4, "near", 0.65))),
    "bossa": (((0, 1.4, "root", 0.8), (1.5, 0.5, "fifth", 0.62), (2, 1.4, "fifth", 0.75), (3.5, 0.5, "root", 0.6)), ((0, 1.4, "root", 0.85), (1.5, 0.5, "fifth", 0.65), (2, 1.4, "fifth", 0.8), (3.5, 0.5, "near", 0.62))),
    "tumbao": (((0, 1.4, "root", 0.7), (1.5, 1.4, "fifth", 0.8), (3, 1, "root", 0.85)), ((0, 0.6, "root", 0.6), (1.5, 1.4, "fifth", 0.85), (3, 0.9, "near", 0.9))),
    "dnb": (((0, 2.4, "root", 0.85), (2.5, 1.4, "root", 0.7)), ((0, 1.4, "root", 0.95), (1.5, 0.9, "fifth", 0.7), (2.5, 0.9, "root", 0.85), (3.5, 0.45, "octave", 0.6))),
}  # fmt: skip
GUITAR_STAGGER = 0.022
LOWEST_BASS = 28


def comp_bar(
    name: str, slot: Slot, bar_start: float, beats: int, voicing: list[int], *, full: bool
) -> list[Note]:
    """One chord's share of a bar for a chordal instrument."""
    notes: list[Note] = []
    for beat, length, pick, accent in _strokes(COMP[name][full], beats):
        start = bar_start + beat
        if not slot.start - 1e-6 <= start < slot.end - 1e-6:
            continue
        length = min(length, slot.end - start) if length > 1.5 else length
        pitches = _picked(pick, slot, voicing)
        stagger = {"down": GUITAR_STAGGER, "up": -GUITAR_STAGGER}.get(str(pick), 0.0)
        for order, pitch in enumerate(pitches):
            delay = stagger * (order if stagger >= 0 else order - len(pitches) + 1)
            notes.append(Note(start + delay, length, pitch, accent * (1 - 0.02 * order)))
    return notes


def _strokes(pattern: Pattern, beats: int) -> Pattern:
    return tuple(stroke for stroke in pattern if stroke[0] < beats)


def _picked(pick: str | int, slot: Slot, voicing: list[int]) -> list[int]:
    root = low_root(slot, 40)
    if isinstance(pick, int):
        octave, index = divmod(pick, len(voicing))
        return [voicing[index] + 12 * octave]
    named = {
        "all": voicing,
        "upper": voicing[1:],
        "top": voicing[-1:],
        "root": [root],
        "fifth": [root + slot.chord.fifth],
        "low": [root, root + 12],
        "power": [root, root + 7, root + 12],
        "down": [root, *voicing],
        "up": voicing[1:],
    }
    return named[pick]


def low_root(slot: Slot, floor: int) -> int:
    """The chord's root in the octave that starts at `floor` (MIDI)."""
    return floor + (slot.chord.root - floor) % 12


def bass_bar(
    name: str, slot: Slot, following: Slot, bar_start: float, beats: int, kicks: Sequence[float],
    dice: np.random.Generator, *, full: bool,
) -> list[Note]:  # fmt: skip
    """One chord's share of a bar for the bass; `kicks` are the kick drum's beats in this bar."""
    if name == "walk":
        return _walk(slot, following, dice)
    pattern = _locked(kicks, beats) if name == "kick" else BASS[name][full]
    if name == "offbeat":
        pattern = tuple(
            (beat + 0.5 if beat == int(beat) else beat, *rest) for beat, *rest in pattern
        )  # type: ignore[misc]
    notes = []
    for beat, length, pick, accent in _strokes(pattern, beats):
        start = bar_start + beat
        if slot.start - 1e-6 <= start < slot.end - 1e-6:
            pitch = _bass_pitch(str(pick), slot, following)
            notes.append(Note(start, min(length, slot.end - start) * 0.97, pitch, accent))
    return notes or [Note(slot.start, slot.length * 0.95, low_root(slot, LOWEST_BASS), 0.75)]


def _locked(kicks: Sequence[float], beats: int) -> Pattern:
    """The bass speaks with the kick: the root where it strikes, a fifth or octave late in the bar."""
    places = sorted({0.0, *kicks})
    ends = [*places[1:], float(beats)]
    strokes: list[Stroke] = []
    for index, (place, end) in enumerate(zip(places, ends, strict=True)):
        late = index == len(places) - 1 and place > beats / 2
        pick = "fifth" if late and index % 2 else "root"
        strokes.append((place, min(end - place, 1.9) * 0.9, pick, 0.88 if place == 0 else 0.74))
    if ends[-1] - places[-1] > 1.4:
        strokes.append((beats - 0.5, 0.45, "near", 0.62))
    return tuple(strokes)


def _bass_pitch(pick: str, slot: Slot, following: Slot) -> int:
    root = low_root(slot, LOWEST_BASS)
    third = next((i for i in slot.chord.intervals if i in (3, 4)), 5)
    fifth = root + slot.chord.fifth
    return {
        "root": root,
        "fifth": fifth if fifth <= LOWEST_BASS + 14 else fifth - 12,
        "octave": root + 12,
        "third": root + third,
        "near": _leading(root, low_root(following, LOWEST_BASS)),
    }[pick]


def _leading(root: int, goal: int) -> int:
    """A step from the next root: from below when it lies higher, from above when lower."""
    if goal == root:
        return root + 7 if root + 7 < LOWEST_BASS + 14 else root - 5
    return goal - 1 if goal > root else goal + 2


def _walk(slot: Slot, following: Slot, dice: np.random.Generator) -> list[Note]:
    """A walking bass: root, chord tones, and a leading tone into the next chord."""
    root, goal = low_root(slot, LOWEST_BASS), low_root(following, LOWEST_BASS)
    tones = sorted({root + i % 12 for i in slot.chord.intervals[:4]})
    count = max(1, round(slot.length))
    inner = [int(p) for p in dice.choice(tones[1:], size=max(0, count - 2))] if count > 2 else []
    inner.sort(reverse=goal < root)
    near = [goal + int(dice.choice([-1, 1, 2]))] if count > 1 else []
    line = [root, *inner, *near]
    return [
        Note(slot.start + i, 0.9, pitch, 0.8 if i == 0 else 0.7) for i, pitch in enumerate(line)
    ]
