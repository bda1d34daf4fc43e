"""Rhythm: grooves on a grid of sixteenths, their lighter form, and fills at section ends.

`X` is an accent, `x` a stroke, `o` a ghost stroke. A groove's piece has two lines: light, full.
"""

from __future__ import annotations

import numpy as np

from songs.studio.score.form import Form, Section
from songs.studio.score.notes import Hit

Groove = dict[str, tuple[str, str]]
VELOCITY = {"X": 1.0, "x": 0.78, "o": 0.34}
SILENT = "-" * 16

GROOVES: dict[str, Groove] = {
    "pop": {
        "kick": ("X-------x-x-----", "X-----x-x-x-----"),
        "snare": ("----x-------x---", "----X-------X---"),
        "hat": ("x-x-x-x-x-x-x-x-", "x-xox-xox-xox-xo"),
        "tambourine": (SILENT, "--x---x---x---x-"),
    },
    "ballad": {
        "kick": ("x-------x-------", "X-----x-x-------"),
        "rim": ("--------x-------", SILENT),
        "snare": (SILENT, "--------X-------"),
        "hat": ("o---o---o---o---", "x-o-x-o-x-o-x-o-"),
    },
    "lofi": {
        "kick": ("X------x--x-----", "X--x---x--x-----"),
        "snare": ("----x-------x---", "----X-------X--o"),
        "hat": ("x-x-x-x-x-x-x-x-", "xox-x-xox-x-xox-"),
    },
    "boom bap": {
        "kick": ("X--x------x-----", "X--x------xx----"),
        "snare": ("----X-------X---", "----X--o----X--o"),
        "hat": ("x-x-x-x-x-x-x-x-", "x-x-x-xox-x-x-x-"),
        "open hat": (SILENT, "--------------x-"),
    },
    "techno": {
        "kick": ("X---X---X---X---", "X---X---X---X---"),
        "open hat": ("--x---x---x---x-", "--X---X---X---X-"),
        "hat": (SILENT, "oxoxoxoxoxoxoxox"),
        "clap": (SILENT, "----x-------x---"),
        "rim": ("---o--o----o----", "---x--x----x--o-"),
    },
    "house": {
        "kick": ("X---X---X---X---", "X---X---X---X---"),
        "open hat": ("--x---x---x---x-", "--X---X---X---X-"),
        "hat": ("o---o---o---o---", "x-oox-oox-oox-oo"),
        "clap": ("----x-------x---", "----X-------X---"),
        "shaker": (SILENT, "oxoxoxoxoxoxoxox"),
    },
    "disco": {
        "kick": ("X---X---X---X---", "X---X---X---X---"),
        "snare": ("----x-------x---", "----X-------X---"),
        "open hat": ("--x---x---x---x-", "--X---X---X---X-"),
        "hat": ("x---x---x---x---", "xo--xo--xo--xo--"),
        "conga": (SILENT, "---x--xx---x--xx"),
    },
    "funk": {
        "kick": ("X-x-------x-----", "X-x---x---x--x--"),
        "snare": ("----X-------X---", "----X--o-o--X--o"),
        "hat": ("x-x-x-x-x-x-x-x-", "xxxxxx-xxxxxx-xx"),
        "open hat": (SILENT, "------x---------"),
    },
    "soul": {
        "kick": ("X------x--x-----", "X------x-xx-----"),
        "snare": ("----x-------x---", "----X-------X---"),
        "hat": ("x-x-x-x-x-x-x-x-", "x-x-x-x-x-x-x-xo"),
        "tambourine": (SILENT, "----x-------x---"),
    },
    "rock": {
        "kick": ("X-------x-x-----", "X-x-----X-x---x-"),
        "snare": ("----X-------X---", "----X-------X---"),
        "hat": ("x-x-x-x-x-x-x-x-", SILENT),
        "ride": (SILENT, "X-x-X-x-X-x-X-x-"),
    },
    "metal": {
        "kick": ("X-xxX-xxX-xxX-xx", "XxxxXxxxXxxxXxxx"),
        "snare": ("----X-------X---", "----X-------X---"),
        "hat": ("X---X---X---X---", SILENT),
        "crash": (SILENT, "X-------X-------"),
        "ride": (SILENT, "--X-X-X---X-X-X-"),
    },
    "jazz": {
        "ride": ("x---x--ox---x--o", "X---x--xX---x--x"),
        "pedal hat": ("----x-------x---", "----x-------x---"),
        "kick": ("o---o---o---o---", "o---o---o---o--x"),
        "snare": (SILENT, "-------o------o-"),
    },
    "folk": {
        "kick": ("x-------x-------", "X-------X-----x-"),
        "rim": (SILENT, "----x-------x---"),
        "shaker": ("x-o-x-o-x-o-x-o-", "x-oox-oox-oox-oo"),
        "tambourine": (SILENT, "----x-------x---"),
    },
    "epic": {
        "timpani": ("X---------------", "X-------x---x-x-"),
        "taiko": ("X-----x---x-----", "X--x--x-X--x--xx"),
        "snare": (SILENT, "o-o-x-o-o-o-x-oo"),
        "crash": (SILENT, "X---------------"),
    },
    "synthwave": {
        "kick": ("X-------X-------", "X---X---X---X---"),
        "snare": ("----X-------X---", "----X-------X---"),
        "hat": ("x-x-x-x-x-x-x-x-", "xoxoxoxoxoxoxoxo"),
    },
    "trap": {
        "kick": ("X-----x---------", "X-----x---x--x--"),
        "clap": ("--------X-------", "--------X-------"),
        "hat": ("x-x-x-x-x-x-x-x-", "x-x-x-xxx-xxxxxx"),
        "rim": (SILENT, "---o------o-----"),
        "open hat": (SILENT, "------------x---"),
    },
    "one drop": {
        "kick": ("--------X-------", "--------X-----o-"),
        "rim": ("--------X-------", "--------X--x----"),
        "hat": ("x-x-x-x-x-x-x-x-", "x-xox-x-x-xox-xo"),
        "conga": (SILENT, "---x--------x-x-"),
    },
    "bossa": {
        "kick": ("x-----x-x-----x-", "x--ox--ox--ox--o"),
        "rim": ("x--x--x---x--x--", "X--x--x---x--x--"),
        "shaker": ("oxoxoxoxoxoxoxox", "xoxxxoxxxoxxxoxx"),
    },
    "salsa": {
        "kick": ("------x-------x-", "------x-------x-"),
        "clave": ("X--x--x---x-x---", "X--x--x---x-x---"),
        "conga": ("----x-oo----x-xx", "--x-X-xx--x-X-xx"),
        "cowbell": (SILENT, "X-x-x-xxX-x-x-xx"),
        "shaker": ("x-x-x-x-x-x-x-x-", "xoxoxoxoxoxoxoxo"),
    },
    "dnb": {
        "kick": ("X---------x-----", "X---------x-----"),
        "snare": ("----X-------X---", "----X--o-o--X--o"),
        "hat": ("x-x-x-x-x-x-x-x-", "xoxoxoxoxoxoxoxo"),
        "ride": (SILENT, "X---X---X---X---"),
    },
    "shuffle": {
        "kick": ("X-------X-------", "X-----x-X-----x-"),
        "snare": ("----X-------X---", "----X-------X---"),
        "hat": ("x-o-x-o-x-o-x-o-", SILENT),
        "ride": (SILENT, "X-x-x-x-X-x-x-x-"),
    },
    "train": {
        "kick": ("X-------X-------", "X-------X-------"),
        "snare": ("ooxoooxoooxoooxo", "ooXoooXoooXoooXx"),
    },
    "march": {
        "kick": ("X-------X-------", "X-------X-------"),
        "snare": ("x---x-xxx---x-x-", "X-ooX-xxX-ooxxxx"),
        "crash": (SILENT, "--------x-------"),
    },
    "chip": {
        "kick": ("X-------X-------", "X--x--x-X--x----"),
        "snare": ("----X-------X---", "----X-------X-x-"),
        "hat": ("x-x-x-x-x-x-x-x-", "x-xxx-xxx-xxx-xx"),
    },
    "waltz": {
        "kick": ("x-----------", "X-----------"),
        "rim": (SILENT, "----o---o---"),
        "hat": ("----o---o---", "----x---x---"),
        "ride": (SILENT, "x-----------"),
    },
}  # fmt: skip
FILLS = {
    "epic": ("taiko", "taiko", "timpani", "taiko"),
    "techno": ("clap",),
    "house": ("clap",),
    "trap": ("hat", "snare"),
    "chip": ("snare",),
    "march": ("snare",),
}
NO_FILLS = {"jazz", "bossa", "waltz", "folk", "ballad", "train"}


def drums(
    groove: str, form: Form, opening: str, energy: float, dice: np.random.Generator
) -> list[Hit]:
    """Every stroke of the song: a light beat in verses, the full one in choruses, fills between."""
    hits: list[Hit] = []
    for section in form.sections[:-1]:
        weight = _weight(section, opening)
        if weight == "none":
            continue
        for bar in range(section.first_bar, section.end_bar):
            filling = bar == section.end_bar - 1 and section.bars > 1
            hits += _bar(groove, form, section, bar, weight, energy, filling, dice)
        hits += _crash(groove, form, section, weight)
    return hits + _final_stroke(groove, form)


def steps(groove: str, piece: str, weight: str = "full") -> list[float]:
    """The beats on which a groove strikes a piece, so that the bass can join it."""
    lines = GROOVES[groove].get(piece, (SILENT, SILENT))
    line = lines[weight == "full"]
    return [index / 4 for index, mark in enumerate(line) if mark in "Xx"]


def _weight(section: Section, opening: str) -> str:
    if section.kind == "intro":
        return "light" if opening == "drums" else "none"
    if section.kind in ("bridge", "outro"):
        return "light" if opening == "drums" or section.kind == "outro" else "none"
    return "full" if section.intensity > 0.7 else "light"


def _bar(
    groove: str, form: Form, section: Section, bar: int, weight: str, energy: float,
    filling: bool, dice: np.random.Generator,
) -> list[Hit]:  # fmt: skip
    start = bar * form.beats
    fill_from = form.beats - (1 if groove in NO_FILLS or weight == "light" else 2)
    force = (0.62 + 0.38 * section.intensity) * (0.8 + 0.2 * energy)
    hits = []
    for piece, lines in GROOVES[groove].items():
        for index, mark in enumerate(lines[weight == "full"][: form.beats * 4]):
            beat = index / 4
            gone = (
                filling and beat >= fill_from and piece not in ("kick", "shaker", "ride", "taiko")
            )
            if mark == "-" or gone:
                continue
            hits.append(Hit(start + beat, piece, VELOCITY[mark] * force * _human(dice)))
    return hits + (
        _fill(groove, start + fill_from, start + form.beats, force, dice) if filling else []
    )


def _fill(
    groove: str, start: float, end: float, force: float, dice: np.random.Generator
) -> list[Hit]:
    """A run that grows into the next section; brushes and shakers stay discreet."""
    if groove in NO_FILLS:
        return [Hit(end - 0.5, "rim", 0.4 * force), Hit(end - 0.25, "rim", 0.5 * force)]
    pieces = FILLS.get(groove, ("snare", "high tom", "mid tom", "low tom"))
    count = round((end - start) * 4)
    hits = []
    for index in range(count):
        if index % 2 and dice.random() < 0.35:
            continue
        piece = pieces[min(len(pieces) - 1, index * len(pieces) // count)]
        hits.append(
            Hit(start + index / 4, piece, force * (0.5 + 0.4 * index / count) * _human(dice))
        )
    return hits


def _crash(groove: str, form: Form, section: Section, weight: str) -> list[Hit]:
    if groove in NO_FILLS - {"ballad"} or weight != "full":
        return []
    return [Hit(section.first_bar * form.beats, "crash", 0.55 + 0.3 * section.intensity)]


def _final_stroke(groove: str, form: Form) -> list[Hit]:
    start = form.ending.first_bar * form.beats
    if groove in NO_FILLS:
        return [Hit(start, "ride", 0.4), Hit(start, "kick", 0.5)]
    deep = "timpani" if groove in ("epic", "march") else "kick"
    return [Hit(start, deep, 0.85), Hit(start, "crash", 0.7)]


def _human(dice: np.random.Generator) -> float:
    return float(np.clip(dice.normal(1.0, 0.06), 0.8, 1.15))
