"""Score: a Brief written out for every player."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from songs.studio.score import accompaniment, harmony, melody, rhythm
from songs.studio.score.form import Form, Section, plan
from songs.studio.score.notes import Clock, Hit, Note, Part, Slot
from songs.studio.words.brief import Brief

LEAD_RANGES = {"voice": (57, 76, 66), "cello lead": (43, 67, 55), "horn": (50, 72, 60),
               "lead guitar": (55, 81, 67), "saxophone": (54, 77, 65), "trumpet": (57, 79, 68),
               "glass bells": (67, 91, 77), "music box": (67, 91, 77), "marimba": (57, 81, 69),
               "organ": (57, 79, 67), "electric piano": (60, 84, 70)}  # fmt: skip
LEAD_RANGE = (60, 84, 71)
SWUNG_QUARTERS = 0.9
# progressions -> the last chord, in a bright and in a dark mode
ENDING_COLOURS = {
    "jazz": ("Imaj9", "i9"),
    "lofi": ("Imaj9", "i9"),
    "latin": ("Imaj9", "i9"),
    "ambient": ("Iadd9", "imadd9"),
    "blues": ("I7", "i7"),
    "funk": ("I9", "i9"),
}
ELECTRONIC = {"machine", "gated", "chip"}


@dataclass(frozen=True)
class Score:
    """Parts, drum strokes, the form and the clock; `duration` in seconds."""

    brief: Brief
    form: Form
    clock: Clock
    slots: tuple[Slot, ...]
    parts: tuple[Part, ...]
    hits: tuple[Hit, ...]


def compose(brief: Brief) -> Score:
    """Write the form, the harmony, the tunes over it and the accompaniment, in this order."""
    form = plan(brief)
    slots = _harmonise(brief, form)
    parts = [*_tunes(brief, form, slots), *_chords(brief, form, slots)]
    parts += _pad(brief, form, slots)
    parts += _bass(brief, form, slots)
    hits = _drums(brief, form)
    playing = tuple(part for part in parts if part.notes)
    return Score(brief, form, _clock(brief, form), tuple(slots), playing, tuple(hits))


def _clock(brief: Brief, form: Form) -> Clock:
    total = float(form.bars * form.beats)
    loose = brief.style.tightness < 0.6 and brief.style.kit not in ELECTRONIC
    slowing = float(form.beats * 2) if loose and form.bars > 6 else 0.0
    grid = 1.0 if brief.style.swing >= SWUNG_QUARTERS else 0.5
    return Clock(form.tempo, brief.style.swing, grid, total, slowing)


def _harmonise(brief: Brief, form: Form) -> list[Slot]:
    """The progression of each kind of section, a dominant before a return, home at the end."""
    dice = brief.rng("harmony")
    table = harmony.PROGRESSIONS[brief.style.progressions][brief.bright]
    chosen = {kind: str(dice.choice(options)) for kind, options in table.items()}
    if brief.style.progressions == "blues":
        chosen["solo"] = chosen["verse"]
    slots: list[Slot] = []
    for section in form.sections[:-1]:
        slots += _section_slots(brief, form, section, chosen)
    ending = _ending_chord(brief)
    return [*slots, Slot(float(form.ending.first_bar * form.beats), form.ring, ending)]


def _section_slots(
    brief: Brief, form: Form, section: Section, chosen: dict[str, str]
) -> list[Slot]:
    family = {"intro": "verse", "outro": "chorus", "solo": "verse"}.get(section.kind, section.kind)
    pattern = harmony.bars(chosen[family], brief.tonic, brief.mode)
    slots: list[Slot] = []
    for bar in range(section.bars):
        names = pattern[bar % len(pattern)]
        if section.end_bar == form.bars - 1 and bar == section.bars - 1:
            names = [_dominant(brief)]
        size = form.beats / len(names)
        start = (section.first_bar + bar) * form.beats
        slots += [Slot(start + i * size, size, chord) for i, chord in enumerate(names)]
    return slots


def _dominant(brief: Brief) -> harmony.Chord:
    """The chord that leads home: a dominant, or the softer chord that the genre prefers."""
    soft = {"ambient": "IVmaj7", "club": "VII", "metal": "VII", "rock": "V", "synthwave": "VII"}
    bright_soft = {"ambient": "IVmaj7", "club": "V", "synthwave": "V", "rock": "IV", "metal": "V"}
    family = brief.style.progressions
    name = (bright_soft if brief.bright else soft).get(family, "V7")
    return harmony.chord(
        "iv7" if name == "IVmaj7" and not brief.bright else name, brief.tonic, brief.mode
    )


def _ending_chord(brief: Brief) -> harmony.Chord:
    bright, dark = ENDING_COLOURS.get(brief.style.progressions, ("I", "i"))
    return harmony.chord(bright if brief.bright else dark, brief.tonic, brief.mode)


def _tunes(brief: Brief, form: Form, slots: list[Slot]) -> list[Part]:
    """The voice sings verses and choruses; the lead opens, answers and takes solos."""
    lead = Part(brief.style.lead, "lead")
    voice = Part("voice", "voice")
    second = Part("voice" if brief.sung else brief.style.lead, "second")
    motifs = _motifs(brief, form, slots)
    for section in form.sections[:-1]:
        singing = brief.sung and section.kind in ("verse", "chorus", "bridge")
        line = _line(brief, form, "voice" if singing else brief.style.lead, section)
        motif = motifs["verse" if section.kind in ("intro", "outro") else section.kind]
        here = _between(slots, form, section)
        tune = melody.write(
            line, motif, here, home=section.kind != "bridge", pickup=section.turn > 0
        )
        tune = _dynamics(_thinned(tune, brief, section), section)
        (voice if singing else lead).notes.extend(tune)
        if section.is_last and section.bars >= 4:
            second.notes.extend(_thirds(tune, here, brief))
        if singing and section.kind == "chorus" and section.turn > 0:
            lead.notes.extend(
                _answers(tune, here, form, section, _line(brief, form, lead.instrument, section))
            )
    (voice if brief.sung and voice.notes else lead).notes.append(
        _last_note(brief, form, slots, voice, lead)
    )
    return [lead, voice, second]


def _motifs(brief: Brief, form: Form, slots: list[Slot]) -> dict[str, melody.Motif]:
    motifs: dict[str, melody.Motif] = {}
    for kind, busier in (("verse", 0.0), ("chorus", 0.12), ("bridge", -0.15), ("solo", 0.35)):
        section = next((s for s in form.sections if s.kind == kind), form.sections[0])
        line = _line(brief, form, "voice" if brief.sung else brief.style.lead, section)
        busy = float(np.clip(brief.style.busy + busier + 0.1 * brief.mood.arousal, 0, 1))
        here = _between(slots, form, section)
        motifs[kind] = melody.best_motif(line, here, busy, brief.drafts, brief.rng(f"tune {kind}"))
    return motifs


def _line(brief: Brief, form: Form, instrument: str, section: Section) -> melody.Line:
    low, high, centre = LEAD_RANGES.get(instrument, LEAD_RANGE)
    lift = {"chorus": 3, "solo": 3, "bridge": 1, "outro": -1}.get(section.kind, 0)
    span = 2 if 60.0 / form.tempo * form.beats < 1.75 and section.bars >= 4 else 1
    return melody.Line(low, high, centre + lift, brief.tonic, brief.mode, form.beats, span)


def _between(slots: Sequence[Slot], form: Form, section: Section) -> list[Slot]:
    start, end = section.first_bar * form.beats, section.end_bar * form.beats
    return [slot for slot in slots if start <= slot.start < end]


def _thinned(tune: list[Note], brief: Brief, section: Section) -> list[Note]:
    """Still music leaves every other phrase open; an outro remembers only the long notes."""
    if section.kind == "outro":
        return [note for note in tune if note.length >= 0.9]
    if brief.style.busy < 0.2 and section.kind != "chorus":
        return [note for note in tune if note.length >= 0.9]
    return tune


def _dynamics(tune: list[Note], section: Section) -> list[Note]:
    force = 0.62 + 0.38 * section.intensity
    return [replace(note, velocity=min(1.0, note.velocity * force)) for note in tune]


def _thirds(tune: list[Note], slots: list[Slot], brief: Brief) -> list[Note]:
    """A second voice a third or fourth below, on tones of the chord's scale."""
    notes = []
    for note in tune:
        slot = next(s for s in reversed(slots) if s.start <= note.start + 1e-6)
        allowed = harmony.scale(slot.chord, brief.tonic, brief.mode)
        heavy = note.length >= 1 or note.start == int(note.start)
        tones = slot.chord.classes if heavy else allowed
        below = [p for p in range(note.pitch - 6, note.pitch - 2) if p % 12 in tones]
        if below:
            notes.append(Note(note.start, note.length, below[-1], note.velocity * 0.7))
    return notes


def _answers(
    tune: list[Note], slots: list[Slot], form: Form, section: Section, line: melody.Line
) -> list[Note]:
    """Where the singer breathes, the leading instrument answers with rising chord tones."""
    answers: list[Note] = []
    for note, following in zip(tune, [*tune[1:], None], strict=True):
        silent_from = np.ceil((note.start + note.length) * 2) / 2
        until = following.start if following else section.end_bar * form.beats
        if until - silent_from < 1.0:
            continue
        slot = next(s for s in reversed(slots) if s.start <= silent_from + 1e-6)
        tones = [p for p in range(line.centre - 3, line.high) if p % 12 in slot.chord.classes]
        count = min(len(tones), int((until - silent_from) * 2), 4)
        answers += [
            Note(float(silent_from + i * 0.5), 0.6, tones[i], 0.5 + 0.05 * i) for i in range(count)
        ]
    return answers


def _last_note(brief: Brief, form: Form, slots: list[Slot], voice: Part, lead: Part) -> Note:
    singer = voice if brief.sung and voice.notes else lead
    before = singer.notes[-1].pitch if singer.notes else 67
    low, high, _ = LEAD_RANGES.get(singer.instrument, LEAD_RANGE)
    home = [p for p in range(low, high) if p % 12 in slots[-1].chord.classes[:3:2]]
    root = slots[-1].chord.root
    pitch = min(home, key=lambda p: abs(p - before) + 3 * (p % 12 != root))
    return Note(float(form.ending.first_bar * form.beats), 0.8 * form.ring, pitch, 0.6)


def _chords(brief: Brief, form: Form, slots: list[Slot]) -> list[Part]:
    """Chordal players: the first always, the second from the first chorus on."""
    parts = []
    for index, (instrument, pattern) in enumerate(brief.style.comp):
        part = Part(instrument, "comp")
        voicing: list[int] | None = None
        centre = 60 if index == 0 else 66
        for slot in slots:
            bar = int(slot.start // form.beats)
            section = form.section_at(bar)
            voicing = harmony.lead(slot.chord, voicing, centre)
            if _comp_rests(section, index, brief):
                continue
            part.notes += _comp_notes(pattern, slot, bar * form.beats, form, section, voicing)
        parts.append(part)
    return parts


def _comp_rests(section: Section, index: int, brief: Brief) -> bool:
    if section.kind == "intro" and brief.style.opening == "pad":
        return index == 0 and brief.style.pad is not None
    if index == 0:
        return False
    return section.kind in ("intro", "outro") or (
        section.kind == "verse" and section.turn == 0 and section.bars > 4
    )


def _comp_notes(
    pattern: str, slot: Slot, bar_start: float, form: Form, section: Section, voicing: list[int]
) -> list[Note]:
    force = 0.6 + 0.4 * section.intensity
    if section.kind == "ending":
        root = accompaniment.low_root(slot, 40)
        chord = [root, root + 12, *voicing] if pattern not in ("skank", "funk") else voicing
        return [
            Note(slot.start + 0.03 * i, slot.length, pitch, 0.7 * force + 0.1)
            for i, pitch in enumerate(sorted(set(chord)))
        ]
    full = section.intensity > 0.6 or (section.kind == "bridge" and pattern in ("ballad", "arp"))
    notes = accompaniment.comp_bar(pattern, slot, bar_start, form.beats, voicing, full=full)
    return [replace(note, velocity=note.velocity * force) for note in notes]


def _pad(brief: Brief, form: Form, slots: list[Slot]) -> list[Part]:
    """Long chords: choruses, bridge and ending; in still music from the first bar."""
    if brief.style.pad is None:
        return []
    part = Part(brief.style.pad, "pad")
    voicing: list[int] | None = None
    always = brief.style.opening in ("pad", "arp") or brief.energy < 0.25
    for slot in slots:
        section = form.section_at(int(slot.start // form.beats))
        voicing = harmony.lead(slot.chord, voicing, 62)
        later = section.kind == "verse" and section.turn > 0
        if not (always or later or section.kind in ("chorus", "bridge", "ending", "outro")):
            continue
        force = 0.55 + 0.45 * section.intensity
        part.notes += [Note(slot.start, slot.length, pitch, 0.65 * force) for pitch in voicing]
    part.notes = _tied(part.notes)
    return [part]


def _tied(notes: list[Note]) -> list[Note]:
    """Join a held pitch across chord changes, so that common tones do not restart."""
    open_notes: dict[int, Note] = {}
    done: list[Note] = []
    for note in notes:
        held = open_notes.get(note.pitch)
        if held and abs(held.start + held.length - note.start) < 1e-6 and held.length < 8:
            open_notes[note.pitch] = replace(held, length=held.length + note.length)
            continue
        if held:
            done.append(held)
        open_notes[note.pitch] = note
    return sorted([*done, *open_notes.values()], key=lambda note: (note.start, note.pitch))


def _bass(brief: Brief, form: Form, slots: list[Slot]) -> list[Part]:
    if brief.style.bass is None:
        return []
    instrument, pattern = brief.style.bass
    part, dice = Part(instrument, "bass"), brief.rng("bass")
    for slot, following in zip(slots, [*slots[1:], slots[-1]], strict=True):
        bar = int(slot.start // form.beats)
        section = form.section_at(bar)
        if section.kind == "intro" and brief.style.opening != "drums":
            continue
        force = 0.7 + 0.3 * section.intensity
        if section.kind == "ending":
            part.notes.append(Note(slot.start, slot.length, accompaniment.low_root(slot, 28), 0.8))
            continue
        full = section.intensity > 0.7
        notes = accompaniment.bass_bar(
            pattern, slot, following, bar * form.beats, form.beats,
            _kicks(brief, full=full), dice, full=full,
        )  # fmt: skip
        part.notes += [replace(note, velocity=note.velocity * force) for note in notes]
    return [part]


def _kicks(brief: Brief, *, full: bool) -> list[float]:
    if brief.style.groove is None:
        return [0.0, 2.0]
    return rhythm.steps(brief.style.groove, "kick", "full" if full else "light")


def _drums(brief: Brief, form: Form) -> list[Hit]:
    if brief.style.groove is None:
        return []
    return rhythm.drums(
        brief.style.groove, form, brief.style.opening, brief.energy, brief.rng("drums")
    )
