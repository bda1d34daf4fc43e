"""Melody: a motif and its development.

1. A motif is a rhythm of one cell (a bar, or two in fast music) and a contour in scale steps.
2. A phrase is four cells: the motif, its sequence on the next chord, a development (inverted or
   broken in two and climbing), a cadence that comes to rest and breathes.
3. Two phrases make question and answer: the first rests on an open note, the second comes home.
4. Notes on strong beats are chord tones; what lies between moves by step in the chord's scale.
5. Several motifs are drafted, and the one with the best rating is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from songs.studio.score.harmony import MODES, scale
from songs.studio.score.notes import Note, Slot

Rhythm = tuple[tuple[float, float], ...]

CALM: tuple[Rhythm, ...] = (
    ((0, 2), (2, 1), (3, 1)), ((0, 1.5), (1.5, 0.5), (2, 2)), ((0, 3), (3, 1)),
    ((0, 1), (1, 1), (2, 2)), ((0.5, 0.5), (1, 1), (2, 2)), ((0, 2), (2, 1.5), (3.5, 0.5)),
)  # fmt: skip
FLOWING: tuple[Rhythm, ...] = (
    ((0, 1), (1, 0.5), (1.5, 0.5), (2, 1.5), (3.5, 0.5)), ((0, 1.5), (1.5, 0.5), (2, 1), (3, 1)),
    ((0.5, 0.5), (1, 0.5), (1.5, 0.5), (2, 1), (3, 1)), ((0, 0.5), (0.5, 0.5), (1, 1), (2, 2)),
    ((0, 1), (1, 1), (2, 0.5), (2.5, 0.5), (3, 1)), ((0, 1.5), (1.5, 1), (2.5, 1.5)),
)  # fmt: skip
LIVELY: tuple[Rhythm, ...] = (
    ((0, 0.5), (0.5, 0.5), (1, 0.5), (1.5, 1), (2.5, 0.5), (3, 1)),
    ((0, 0.75), (0.75, 0.75), (1.5, 0.5), (2, 0.75), (2.75, 0.75), (3.5, 0.5)),
    ((0, 0.5), (0.5, 0.25), (0.75, 0.25), (1, 0.5), (1.5, 0.5), (2, 1), (3, 0.5), (3.5, 0.5)),
    ((0.5, 0.5), (1, 0.5), (1.5, 1), (2.5, 0.5), (3, 0.5), (3.5, 0.5)),
    ((0, 1), (1.5, 0.5), (2, 0.5), (2.5, 0.5), (3, 1)),
)  # fmt: skip
TRIPLE: tuple[Rhythm, ...] = (
    ((0, 2), (2, 1)), ((0, 1), (1, 1), (2, 1)), ((0, 1.5), (1.5, 0.5), (2, 1)),
    ((0, 1), (1, 0.5), (1.5, 0.5), (2, 1)), ((0, 2), (2, 0.5), (2.5, 0.5)),
)  # fmt: skip
STEPS = np.array([-4, -3, -2, -1, 0, 1, 2, 3, 4])
STEP_ODDS = np.array([1, 2, 8, 26, 8, 30, 10, 4, 2], dtype=float)
ARCH = (0, 1, 3, 0)


@dataclass(frozen=True)
class Motif:
    """Onsets and lengths in beats, and a scale step (from the first note) for each."""

    rhythm: Rhythm
    contour: tuple[int, ...]

    def inverted(self) -> Motif:
        return Motif(self.rhythm, tuple(-step for step in self.contour))

    def broken(self, cell: float) -> Motif:
        """The first half twice, the second time a step higher."""
        half = cell / 2
        head = [(r, c) for r, c in zip(self.rhythm, self.contour, strict=True) if r[0] < half]
        first = [(on, min(length, half - on), c) for (on, length), c in head]
        notes = first + [(on + half, length, c + 1) for on, length, c in first]
        return Motif(tuple((on, length) for on, length, _ in notes), tuple(c for *_, c in notes))


@dataclass(frozen=True)
class Line:
    """Where and how a melody moves: its range (MIDI), centre, mode and bar."""

    low: int
    high: int
    centre: int
    tonic: int
    mode: str
    beats: int
    span: int

    @property
    def cell(self) -> float:
        return float(self.beats * self.span)

    @property
    def ladder(self) -> list[int]:
        classes = {(self.tonic + step) % 12 for step in MODES[self.mode]}
        return [p for p in range(self.low - 12, self.high + 13) if p % 12 in classes]


def best_motif(
    line: Line, slots: Sequence[Slot], busy: float, drafts: int, dice: np.random.Generator
) -> Motif:
    """The motif, of `drafts`, whose phrase has the best rating over these chords."""
    motifs = [_draft(line, busy, dice) for _ in range(drafts)]
    return max(motifs, key=lambda motif: _rating(write(line, motif, slots), line))


def write(
    line: Line, motif: Motif, slots: Sequence[Slot], *, home: bool = True, pickup: bool = False
) -> list[Note]:
    """A melody over consecutive chords: phrases of four cells, the last one coming home."""
    start, end = slots[0].start, slots[-1].end
    cells = max(1, round((end - start) / line.cell))
    notes: list[Note] = []
    for index in range(cells):
        at = start + index * line.cell
        until = min(at + line.cell, end)
        last = index == cells - 1
        if last or index % 4 == 3:
            notes += _cadence(line, slots, at, until, notes, home=home and last)
            if pickup and not last:
                notes += _pickup(line, slots, until, notes)
        else:
            notes += _cell(
                line, _developed(motif, index, line.cell), slots, at, until, index, notes
            )
    return notes


def _draft(line: Line, busy: float, dice: np.random.Generator) -> Motif:
    tables = (CALM, FLOWING, LIVELY) if line.beats == 4 else (TRIPLE, TRIPLE, TRIPLE)
    level = float(np.clip(busy * 2 + 0.6 * (line.span - 1) + dice.normal(0, 0.35), 0, 2))
    rhythms = tables[round(level)]
    rhythm = rhythms[int(dice.integers(len(rhythms)))]
    rhythm = tuple((on * line.span, length * line.span) for on, length in rhythm)
    moves = dice.choice(STEPS, size=len(rhythm) - 1, p=STEP_ODDS / STEP_ODDS.sum())
    contour = np.concatenate([[0], np.cumsum(moves)])
    return Motif(rhythm, tuple(int(step) for step in np.clip(contour, -4, 5)))


def _developed(motif: Motif, index: int, cell: float) -> Motif:
    place, phrase = index % 4, index // 4
    if place != 2:
        return motif
    return motif.inverted() if phrase % 2 == 0 else motif.broken(cell)


def _cell(
    line: Line, motif: Motif, slots: Sequence[Slot], at: float, until: float, index: int,
    before: list[Note],
) -> list[Note]:  # fmt: skip
    ladder = line.ladder
    height = _nearest(ladder, line.centre) + ARCH[index % 4] + (index // 4) % 2
    anchor = _chord_tone(line, _slot(slots, at), ladder[height], before)
    base = _nearest(ladder, anchor)
    notes: list[Note] = []
    for (onset, length), step in zip(motif.rhythm, motif.contour, strict=True):
        start = at + onset
        if start >= until - 0.2:
            break
        slot = _slot(slots, start)
        wanted = ladder[min(max(base + step, 0), len(ladder) - 1)]
        if _is_strong(line, start - slots[0].start, length, slot, start):
            pitch = _chord_tone(line, slot, wanted, before + notes)
        else:
            pitch = _scale_tone(line, slot, wanted)
        length = min(length, until - start) * 0.94
        notes.append(Note(start, length, pitch, _accent(line, start - slots[0].start)))
    return notes


def _cadence(
    line: Line, slots: Sequence[Slot], at: float, until: float, before: list[Note], *, home: bool
) -> list[Note]:
    """Two steps towards the resting note, the note, and a breath."""
    rest_at = at + (1.0 if line.beats == 4 else 0.0) * line.span
    slot = _slot(slots, rest_at)
    target = _resting_tone(line, slot, before, home=home)
    steps: list[Note] = []
    if rest_at > at and before:
        between = _approach(line, slots, at, before[-1].pitch, target)
        size = (rest_at - at) / len(between)
        steps = [
            Note(at + i * size, size * 0.94, p, 0.62 + 0.06 * i) for i, p in enumerate(between)
        ]
    length = max(1.0, (until - rest_at) * (0.85 if home else 0.62))
    return [*steps, Note(rest_at, min(length, until - rest_at), target, 0.78)]


def _resting_tone(line: Line, slot: Slot, before: list[Note], *, home: bool) -> int:
    tones = [p for p in range(line.low, line.high + 1) if p % 12 in slot.chord.classes[:3]]
    near = before[-1].pitch if before else line.centre
    wanted = slot.chord.classes[0] if home else None
    near = round(0.6 * near + 0.4 * line.centre)
    return min(tones, key=lambda p: abs(p - near) - (3.5 if p % 12 == wanted else 0))


def _approach(line: Line, slots: Sequence[Slot], at: float, origin: int, target: int) -> list[int]:
    """A chord tone on the way, then the neighbour of the goal on the near side."""
    slot = _slot(slots, at)
    way = [p for p in range(target - 7, target + 8) if p != target and line.low <= p <= line.high]
    tones = [p for p in way if p % 12 in slot.chord.classes]
    first = min(tones, key=lambda p: abs(p - origin) + 0.5 * abs(p - target))
    side = 1 if first >= target else -1
    neighbours = [p for p in range(target - 3, target + 4) if p % 12 in _scale(line, slot)]
    beside = [p for p in neighbours if 0 < (p - target) * side <= 3] or [target]
    return [first, min(beside, key=lambda p: abs(p - target))]


def _pickup(line: Line, slots: Sequence[Slot], until: float, before: list[Note]) -> list[Note]:
    """An upbeat of two eighths into the next phrase."""
    slot = _slot(slots, until - 1)
    goal = _chord_tone(line, _slot(slots, until), line.centre, [])
    below = [p for p in range(goal - 6, goal) if p % 12 in _scale(line, slot)][-2:]
    if before and before[-1].start + before[-1].length > until - 1:
        return []
    return [Note(until - 1 + i * 0.5, 0.47, p, 0.55 + 0.08 * i) for i, p in enumerate(below)
            if p >= line.low]  # fmt: skip


def _is_strong(line: Line, place: float, length: float, slot: Slot, start: float) -> bool:
    beat = place % line.beats
    on_beat = beat == 0 or (line.beats == 4 and beat == 2) or start == slot.start
    return on_beat or length >= 1.0


def _chord_tone(line: Line, slot: Slot, wanted: int, before: list[Note]) -> int:
    """The chord tone nearest to `wanted`, in range, rather not the same note a third time."""
    tones = [p for p in range(line.low, line.high + 1) if p % 12 in slot.chord.classes]
    last = [note.pitch for note in before[-2:]]
    stale = last[0] if len(last) == 2 and last[0] == last[1] else None

    def cost(pitch: int) -> float:
        leap = abs(pitch - last[-1]) if last else 0
        return abs(pitch - wanted) + 3 * (pitch == stale) + 0.8 * max(0, leap - 7)

    return min(tones, key=cost)


def _scale_tone(line: Line, slot: Slot, wanted: int) -> int:
    tones = [p for p in range(line.low, line.high + 1) if p % 12 in _scale(line, slot)]
    return min(tones, key=lambda p: abs(p - wanted))


def _scale(line: Line, slot: Slot) -> tuple[int, ...]:
    return scale(slot.chord, line.tonic, line.mode)


def _slot(slots: Sequence[Slot], beat: float) -> Slot:
    return next((s for s in reversed(slots) if s.start <= beat + 1e-6), slots[0])


def _nearest(ladder: Sequence[int], pitch: int) -> int:
    return min(range(len(ladder)), key=lambda i: abs(ladder[i] - pitch))


def _accent(line: Line, place: float) -> float:
    beat = place % line.beats
    if beat == 0:
        return 0.85
    return 0.74 if beat == int(beat) else 0.62


def _rating(notes: Sequence[Note], line: Line) -> float:
    """Small intervals, some variety, a range of a sixth to a tenth, one highest note."""
    pitches = np.array([note.pitch for note in notes])
    if len(pitches) < 3:
        return -10.0
    leaps = np.abs(np.diff(pitches))
    width = int(np.ptp(pitches))
    repeats = float(np.mean(leaps == 0))
    peaks = int(np.sum(pitches == pitches.max()))
    return (
        -0.6 * float(np.mean(leaps > 7)) - 0.08 * float(np.mean(leaps))
        - 0.2 * max(0, 9 - width) - 0.15 * max(0, width - 15)
        - 3.0 * max(0.0, repeats - 0.2) - 0.12 * max(0, peaks - 2)
        + 1.5 * float(np.mean((leaps > 0) & (leaps < 3)))
    )  # fmt: skip
