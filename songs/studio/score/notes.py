"""Notes, written in beats. The Clock turns beats into seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from songs.studio.score.harmony import Chord


@dataclass(frozen=True, slots=True)
class Note:
    """Start and length in beats, pitch as a MIDI number, velocity 0 to 1."""

    start: float
    length: float
    pitch: int
    velocity: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One stroke on a piece of the kit."""

    start: float
    piece: str
    velocity: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A chord's place: start and length in beats."""

    start: float
    length: float
    chord: Chord

    @property
    def end(self) -> float:
        return self.start + self.length


@dataclass
class Part:
    """One player: the name of an instrument, its role in the mix, its notes."""

    instrument: str
    role: str
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class Clock:
    """Seconds for a beat: the tempo, the swing, and a ritardando over the last `slowing` beats."""

    tempo: float
    swing: float
    swing_grid: float
    beats: float
    slowing: float

    def seconds(self, beat: float) -> float:
        swung = self._swung(beat)
        late = max(0.0, swung - (self.beats - self.slowing))
        stretch = 0.09 * late * late / self.slowing if self.slowing else 0.0
        return (swung + stretch) * 60.0 / self.tempo

    def _swung(self, beat: float) -> float:
        if not self.swing:
            return beat
        whole, place = divmod(beat / self.swing_grid, 1.0)
        middle = 0.5 + self.swing / 6.0
        warped = place * 2 * middle if place < 0.5 else middle + (place - 0.5) * 2 * (1 - middle)
        return float((whole + warped) * self.swing_grid)
