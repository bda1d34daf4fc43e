"""Accompaniment: how chordal instruments and the bass play the harmony of a bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from songs.studio.score.notes import Note, Slot
from songs.studio.score.patterns import BASS, COMP, Pattern, Stroke

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
    notes = []
    for beat, length, pick, accent in _strokes(pattern, beats):
        start = bar_start + beat
        if slot.start - 1e-6 <= start < slot.end - 1e-6:
            pitch = _bass_pitch(str(pick), slot, following)
            notes.append(Note(start, min(length, slot.end - start) * 0.97, pitch, accent))
    return notes or [Note(slot.start, slot.length * 0.95, low_root(slot, LOWEST_BASS), 0.75)]


def _locked(kicks: Sequence[float], beats: int) -> Pattern:
    """A bass line on the kick drum's beats: the root, perhaps a fifth late in the bar."""
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
