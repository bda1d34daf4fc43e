"""Form: the division of a song's bars into intro, verses, choruses, bridge and ending."""

from __future__ import annotations

from dataclasses import dataclass

from songs.studio.words.brief import Brief

LETTERS = {"V": "verse", "C": "chorus", "B": "bridge", "S": "solo", "O": "outro"}
SHORT_FORMS = ("", "V", "VC", "VCC", "VCBC", "VCVBC", "VCVCBC", "VVCVBCC", "VVCVCBCC",
               "VVCCVCBCC", "VVCCVVCBCC", "VVCCVVCCBCC", "VVCCVVCCBBCC")  # fmt: skip
LONG_MIDDLE = "VVCCVVCCSSVVCC"
LONG_END = "BBCCCO"
INTENSITY = {"intro": 0.4, "verse": 0.55, "chorus": 0.85, "bridge": 0.5, "solo": 0.75,
             "outro": 0.5, "ending": 0.6}  # fmt: skip
MAX_TAIL = 6.0


@dataclass(frozen=True)
class Section:
    """A stretch of whole bars. `turn` counts the sections of its kind, from 0."""

    kind: str
    first_bar: int
    bars: int
    turn: int
    is_last: bool
    intensity: float

    @property
    def end_bar(self) -> int:
        return self.first_bar + self.bars


@dataclass(frozen=True)
class Form:
    """Sections in order, the last one a single bar to end on; tempo in beats a minute."""

    sections: tuple[Section, ...]
    beats: int
    tempo: float
    duration: float

    @property
    def bars(self) -> int:
        return self.sections[-1].end_bar

    @property
    def ending(self) -> Section:
        return self.sections[-1]

    @property
    def ring(self) -> float:
        """Beats from the last chord to the end of the recording."""
        start = self.ending.first_bar * self.beats * 60.0 / self.tempo
        return max(float(self.beats), (self.duration - start) * self.tempo / 60.0)

    def section_at(self, bar: int) -> Section:
        return next(s for s in self.sections if s.first_bar <= bar < s.end_bar)


def plan(brief: Brief) -> Form:
    """Plan the sections so that the last chord has faded when the duration is over."""
    count, tempo = _count_bars(brief)
    body = count - 1
    intro, units, unit = _divide(body, brief, 60.0 / tempo * brief.style.beats)
    units_of_form = [(LETTERS[letter], unit) for letter in _letters(units)] or [("verse", body)]
    kinds = _merge(("intro", intro), units_of_form)
    return Form(_sections(kinds, brief), brief.style.beats, tempo, brief.duration)


def _count_bars(brief: Brief) -> tuple[int, float]:
    """Whole bars, and a tempo (bent by 4 % at most unless it was asked for) that fits them."""
    beats, tempo = brief.style.beats, brief.tempo
    bar = 60.0 / tempo * beats
    ring = min(MAX_TAIL, max(3.0, bar))
    count = max(2, 1 + round((brief.duration - ring) / bar))
    if not brief.tempo_is_given:
        fitting = (count - 1) * beats * 60.0 / (brief.duration - ring)
        tempo = min(max(fitting, tempo * 0.96), tempo * 1.04)
    while (count - 1) * beats * 60.0 / tempo > brief.duration - 2.0 and count > 2:
        count -= 1
    return count, tempo


def _divide(body: int, brief: Brief, bar_seconds: float) -> tuple[int, int, int]:
    """Bars of intro, number of units, bars in a unit: 4, 8 in fast music, 2 where time is short."""
    unit = 8 if bar_seconds < 1.6 and body >= 40 else 4
    if bar_seconds > 2.4 and body < 9:
        unit = 2
    if body < 6:
        return 0, 0, body
    shortest = 1 if bar_seconds > 3.2 or body < 10 else 2
    intro = next(i for i in range(shortest, shortest + unit) if (body - i) % unit == 0)
    if unit == 8 and intro < 4:
        intro += 8 if body > 60 else 0
    return intro, (body - intro) // unit, unit


def _letters(units: int) -> str:
    if units < len(SHORT_FORMS):
        return SHORT_FORMS[units]
    room = units - len(LONG_END)
    middle = (LONG_MIDDLE * (room // len(LONG_MIDDLE) + 1))[:room]
    return middle + LONG_END


def _merge(intro: tuple[str, int], units: list[tuple[str, int]]) -> list[tuple[str, int]]:
    merged: list[tuple[str, int]] = [intro] if intro[1] else []
    for kind, size in units:
        together = merged and merged[-1][0] == kind and merged[-1][1] + size <= 4 * 4
        if together:
            merged[-1] = (kind, merged[-1][1] + size)
        else:
            merged.append((kind, size))
    return merged


def _sections(kinds: list[tuple[str, int]], brief: Brief) -> tuple[Section, ...]:
    sections: list[Section] = []
    turns: dict[str, int] = {}
    bar = 0
    last_chorus = max((i for i, (kind, _) in enumerate(kinds) if kind == "chorus"), default=-1)
    for index, (kind, size) in enumerate([*kinds, ("ending", 1)]):
        turn = turns.get(kind, 0)
        turns[kind] = turn + 1
        is_last = index == last_chorus
        intensity = min(1.0, INTENSITY[kind] + 0.05 * turn + 0.1 * is_last)
        sections.append(Section(kind, bar, size, turn, is_last, intensity))
        bar += size
    return tuple(sections)
