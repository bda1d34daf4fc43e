"""Mixing: players on a stage, a room around them, a master bus.

1. Each part is played into a stereo stem, goes through its own effects, and is added to the mix
   and, in its share, to the room.
2. The room (reverb and a tempo-synced echo) comes back under the mix.
3. The master bus removes rumble, compresses gently, and is brought to -14 LUFS and at most -1 dBTP.
Long songs are processed in blocks, so that memory stays near three buffers of the song's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from songs.studio.score.notes import Part
from songs.studio.score.score import Score
from songs.studio.sound.drums import PLACES, stroke
from songs.studio.sound.effects import effects_of, kit_effects
from songs.studio.sound.instruments import INSTRUMENTS
from songs.studio.sound.loudness import active_rms, measure
from songs.studio.sound.pedals import (
    Chain,
    Compressor,
    Echo,
    Effect,
    Limiter,
    Room,
    high_pass,
    high_shelf,
    low_pass,
    low_shelf,
)
from songs.studio.sound.synthesis import RATE, Audio, hertz, ramp_up
from songs.studio.sound.textures import texture
from songs.studio.sound.voice import SINGERS, Sung, sing

BLOCK = 1 << 15  # a block of every bus fits the processor's cache
LARGE_BLOCK = 1 << 19  # for the room, whose answer is long
TARGET_LUFS = -14.0
CEILING_DB = -2.0  # the MP3 encoder may add up to a decibel
LIMITING = 0.0  # decibels that make up for what the limiter removes
FADE_OUT = 2.5
DUCKED = {"pad", "comp", "bass"}

# role -> (loudness dB, room share, echo share, pan)
ROLES: dict[str, tuple[float, float, float, float]] = {
    "voice": (-19.0, 0.3, 0.12, 0.0),
    "lead": (-20.5, 0.28, 0.14, 0.08),
    "second": (-25.0, 0.35, 0.1, -0.15),
    "comp": (-22.0, 0.16, 0.0, -0.12),
    "pad": (-27.5, 0.35, 0.0, 0.0),
    "bass": (-20.5, 0.02, 0.0, 0.0),
    "drums": (-19.5, 0.0, 0.0, 0.0),
}
# style -> role -> gain in decibels
BALANCE: dict[str, dict[str, float]] = {
    "piano ballad": {"comp": 3, "bass": -4, "drums": -6},
    "ambient": {"pad": 5, "bass": -3},
    "techno": {"drums": 3, "comp": -1.5},
    "house": {"drums": 2},
    "trance": {"drums": 2},
    "drum and bass": {"drums": 2},
    "rock": {"comp": 2, "drums": 1},
    "metal": {"comp": 3, "drums": 1},
    "cinematic": {"pad": 5, "bass": -1},
    "classical": {"pad": 3},
    "waltz": {"pad": 2, "drums": -6},
    "hymn": {"comp": 2, "pad": 3},
    "march": {"comp": 1},
    "jazz": {"drums": -3, "comp": -1},
    "folk": {"drums": -5, "comp": 2},
    "acoustic": {"drums": -5, "comp": 2},
    "bossa nova": {"drums": -3, "comp": 1},
    "lo-fi": {"comp": 1},
    "lullaby": {"comp": 1},
    "hip hop": {"drums": 1.5},
    "trap": {"drums": 1},
    "country": {"drums": -3},
}


def mix(score: Score, go_on: Callable[[], None] = lambda: None) -> Audio:
    """Mix the song: stereo float32, shape (2, samples). `resume` is called between players."""
    samples = round(score.form.duration * RATE)
    desk = Desk(score, samples)
    for index, part in enumerate(score.parts):
        go_on()
        desk.add_part(part, score.brief.rng(f"play {index}"), double=index)
    go_on()
    desk.add_drums()
    desk.add_textures()
    desk.add_room()
    return desk.master()


class Desk:
    """The mixing desk: the mix, the bus to the room, the bus to the echo."""

    def __init__(self, score: Score, samples: int) -> None:
        self.score = score
        self.samples = samples
        self.out = np.zeros((2, samples), dtype=np.float32)
        self.room = np.zeros(samples, dtype=np.float32)
        self.echo = np.zeros(samples, dtype=np.float32)
        self.duck = self._ducking()

    def add_part(self, part: Part, dice: np.random.Generator, double: int) -> None:
        pan = ROLES[part.role][3]
        stem = self._play(part, dice, pan if double % 2 == 0 else -pan)
        self._blend(stem, part.role, effects_of(part.instrument))

    def add_drums(self) -> None:
        if not self.score.hits:
            return
        stem = np.zeros((2, self.samples), dtype=np.float32)
        room = np.zeros(self.samples, dtype=np.float32)
        dice = self.score.brief.rng("strokes")
        loose = (1 - self.score.brief.style.tightness) * 0.006
        kit = self.score.brief.style.kit
        sounds: dict[str, Audio] = {}
        for hit in self.score.hits:
            if hit.piece not in sounds:
                sounds[hit.piece] = stroke(kit, hit.piece, self.score.brief.rng(hit.piece))
            level, pan, share = PLACES[hit.piece]
            at = self.score.clock.seconds(hit.start) + dice.normal(0, 1) * loose
            sound = sounds[hit.piece] * np.float32(level * hit.velocity**1.4)
            self._place(stem, sound, at, pan)
            self._place_mono(room, sound * np.float32(share), at)
        gain = self._blend(stem, "drums", kit_effects(kit))
        self.room += room * np.float32(gain)

    def add_textures(self) -> None:
        """Rain, waves, wind, tape or a record's crackle: a quiet bed under everything."""
        for name in self.score.brief.textures:
            bed = texture(name, self.samples, self.score.brief.rng(name))
            self.out += bed
        if self.score.brief.style.name == "lo-fi" and "vinyl" not in self.score.brief.textures:
            self.out += 0.5 * texture("vinyl", self.samples, self.score.brief.rng("vinyl"))

    def add_room(self) -> None:
        space = self.score.brief.style.space
        beat = 60.0 / self.score.form.tempo
        hall = Chain([high_pass(220), _room(space)])
        tape = Chain([Echo(min(1.5, beat * 0.75), feedback=0.32), high_pass(300), low_pass(3800)])
        for part in _blocks(self.samples, LARGE_BLOCK):
            echoes = tape(_stereo(self.echo[part]))
            echoes[1] *= 0.75
            self.out[:, part] += 0.8 * echoes
            wet = _stereo(self.room[part]) + 0.25 * echoes
            self.out[:, part] += hall(wet)

    def master(self) -> Audio:
        _process(self.out, Chain([high_pass(28), low_shelf(110, -1.0), high_shelf(6000, 3.0)]))
        self.out *= np.float32(10 ** ((TARGET_LUFS - measure(self.out)) / 20))
        _process(self.out, Compressor(-14, 1.8, 25, 180))
        self._fades()
        gain = np.clip(TARGET_LUFS - measure(self.out) + LIMITING, -12, 12)
        self.out *= np.float32(10 ** (gain / 20))
        Limiter(CEILING_DB, 120, 5)(self.out)
        return self.out

    def _fades(self) -> None:
        self.out -= self.out.mean(axis=1, keepdims=True)
        start, end = min(400, self.samples), min(round(FADE_OUT * RATE), self.samples)
        self.out[:, :start] *= ramp_up(start)
        self.out[:, -end:] *= ramp_up(end)[::-1]

    def _play(self, part: Part, dice: np.random.Generator, pan: float) -> Audio:
        if part.instrument in SINGERS:
            return self._play_line(part, dice)
        stem = np.zeros((2, self.samples), dtype=np.float32)
        instrument = INSTRUMENTS[part.instrument]
        loose = 0.002 + 0.007 * (1 - self.score.brief.style.tightness)
        cache: dict[tuple[int, int, int], Audio] = {}
        for note in part.notes:
            start = self.score.clock.seconds(note.start) + abs(dice.normal(0, 1)) * loose
            end = self.score.clock.seconds(note.start + note.length)
            held = float(np.clip(end - start, 0.05, instrument.seconds))
            sound = self._tone(part.instrument, note.pitch, note.velocity, held, cache)
            force = np.float32(
                note.velocity * np.clip(dice.normal(1, 0.05), 0.85, 1.15) * instrument.gain
            )
            place = float(np.clip(pan + instrument.spread * (note.pitch - 64) / 26, -0.85, 0.85))
            self._place(stem, _released(sound, held, instrument.release) * force, start, place)
        return stem

    def _play_line(self, part: Part, dice: np.random.Generator) -> Audio:
        clock = self.score.clock
        notes = []
        for note in part.notes:
            start = clock.seconds(note.start) + dice.normal(0, 0.005)
            end = min(clock.seconds(note.start + note.length), self.score.form.duration)
            notes.append(Sung(start, end, note.pitch, note.velocity))
        return sing(part.instrument, notes, self.samples, dice)

    def _tone(
        self, name: str, pitch: int, velocity: float, held: float,
        cache: dict[tuple[int, int, int], Audio],
    ) -> Audio:  # fmt: skip
        """Render a tone once for all notes of the part with its pitch, force and length class."""
        instrument = INSTRUMENTS[name]
        force = 0 if velocity < 0.45 else 1 if velocity < 0.7 else 2
        needed = held + instrument.release
        size = 0 if needed <= 0.6 else 1 if needed <= 1.6 else 2 if needed <= 4.0 else 3
        key = (pitch, force, size)
        if key not in cache:
            seconds = min((0.6, 1.6, 4.0, 12.0)[size], instrument.seconds + instrument.release)
            seed = self.score.brief.rng(f"{name} {pitch}")
            f = hertz(pitch + 12 * instrument.octave)
            cache[key] = instrument.build(f, (0.3, 0.6, 0.9)[force], seconds, seed) * np.float32(
                0.35
            )
        return cache[key]

    def _place(self, stem: Audio, sound: Audio, at: float, pan: float) -> None:
        start = max(0, round(at * RATE))
        end = min(self.samples, start + len(sound))
        if end <= start:
            return
        angle = (pan + 1) * np.pi / 4
        piece = sound[: end - start]
        stem[0, start:end] += piece * np.float32(np.cos(angle))
        stem[1, start:end] += piece * np.float32(np.sin(angle))

    def _place_mono(self, bus: Audio, sound: Audio, at: float) -> None:
        start = max(0, round(at * RATE))
        piece = bus[start : start + len(sound)]
        piece += sound[: len(piece)]

    def _blend(self, stem: Audio, role: str, effects: Chain | None) -> float:
        """Add a stem at its role's loudness to the mix and its sends. Returns the gain."""
        level, room, echo, _ = ROLES[role]
        level += BALANCE.get(self.score.brief.style.name, {}).get(role, 0.0)
        if effects is not None:
            for part in _blocks(self.samples):
                stem[:, part] = effects(stem[:, part])
        gain = 10 ** (level / 20) / active_rms(stem)
        ducked = self.duck is not None and role in DUCKED
        for part in _blocks(self.samples):
            sound = stem[:, part]
            sound *= np.float32(gain)
            if ducked and self.duck is not None:
                sound *= self.duck[part]
            self.out[:, part] += sound
            centre = 0.5 * (sound[0] + sound[1])
            self.room[part] += np.float32(room) * centre
            if echo:
                self.echo[part] += np.float32(echo) * centre
        return float(gain)

    def _ducking(self) -> Audio | None:
        """Lower pads and bass at each stroke of the kick drum, as in dance music."""
        depth = self.score.brief.style.ducking
        kicks = [h for h in self.score.hits if h.piece == "kick"]
        if not depth or not kicks:
            return None
        curve = np.ones(self.samples, dtype=np.float32)
        size = round(min(0.3, 40 / self.score.form.tempo) * RATE)
        dip = 1 - depth * (1 - ramp_up(size)).astype(np.float32)
        dip[:220] = np.linspace(1, dip[220], 220, dtype=np.float32)
        for kick in kicks:
            start = round(self.score.clock.seconds(kick.start) * RATE)
            piece = curve[start : start + size]
            np.minimum(piece, dip[: len(piece)], out=piece)
        return curve


def _released(sound: Audio, held: float, release: float) -> Audio:
    """The note as long as it is held, and a damper's fade."""
    stop = min(len(sound), round((held + release) * RATE))
    fade = min(stop, max(64, round(release * RATE)))
    cut = sound[:stop].copy()
    cut[-fade:] *= ramp_up(fade)[::-1]
    return cut


def _blocks(samples: int, size: int = BLOCK) -> Iterator[slice]:
    for start in range(0, samples, size):
        yield slice(start, min(samples, start + size))


def _stereo(mono: Audio) -> Audio:
    return np.stack([mono, mono])


def _process(sound: Audio, effect: Effect) -> None:
    """In place."""
    for part in _blocks(sound.shape[1]):
        sound[:, part] = effect(sound[:, part])


def _room(space: float) -> Room:
    return Room(size=0.35 + 0.6 * space, damping=0.45, wet=1.0 + 0.7 * space)
