"""Styles: the tempo, harmony, band and room of each genre."""

from __future__ import annotations

from dataclasses import dataclass

MAJOR = ("major",)
MINOR = ("minor",)
EITHER = ("major", "minor")


@dataclass(frozen=True)
class Style:
    """One genre. Tempo in beats per minute; `swing` from 0 (straight) to 1 (triplets)."""

    name: str
    label: str
    tempo: tuple[int, int]
    progressions: str
    modes: tuple[str, ...]
    lead: str
    comp: tuple[tuple[str, str], ...]
    pad: str | None
    bass: tuple[str, str] | None
    groove: str | None
    kit: str = "studio"
    beats: int = 4
    swing: float = 0.0
    space: float = 0.35
    energy: float = 0.5
    opening: str = "harmony"
    busy: float = 0.5
    tightness: float = 0.5
    ducking: float = 0.0


def _rows() -> tuple[Style, ...]:
    return (
        Style("pop", "Pop", (96, 118), "pop", EITHER, "synth lead",
              (("piano", "pulse"), ("steel guitar", "strum")), "warm pad",
              ("electric bass", "kick"), "pop", energy=0.6),
        Style("piano ballad", "Ballad", (60, 72), "pop", EITHER, "piano",
              (("piano", "ballad"),), "strings", ("upright bass", "root"), "ballad",
              kit="brush", space=0.6, energy=0.25, busy=0.25, tightness=0.2),
        Style("lo-fi", "Lo-fi", (72, 86), "lofi", EITHER, "vibraphone",
              (("electric piano", "lofi"),), "warm pad", ("upright bass", "kick"), "lofi",
              kit="dusty", swing=0.55, space=0.35, energy=0.3, busy=0.35, tightness=0.1),
        Style("techno", "Techno", (126, 138), "club", ("minor", "phrygian"), "pluck",
              (("pluck", "sixteenth"), ("saw stab", "stab")), "warm pad",
              ("synth bass", "rolling"), "techno", kit="machine", space=0.3, energy=0.9,
              opening="drums", busy=0.7, tightness=1.0, ducking=0.6),
        Style("house", "House", (120, 126), "club", ("minor", "dorian", "major"), "synth lead",
              (("house piano", "stab"),), "warm pad", ("synth bass", "offbeat"), "house",
              kit="machine", space=0.3, energy=0.75, opening="drums", busy=0.6, tightness=0.95,
              ducking=0.55),
        Style("trance", "Trance", (134, 140), "club", MINOR, "supersaw",
              (("pluck", "sixteenth"), ("supersaw", "pad")), "warm pad",
              ("synth bass", "offbeat"), "house", kit="machine", space=0.55, energy=0.9,
              opening="drums", busy=0.6, tightness=1.0, ducking=0.6),
        Style("disco", "Disco", (112, 122), "funk", EITHER, "strings",
              (("clean guitar", "funk"), ("electric piano", "stab")), "strings",
              ("electric bass", "octaves"), "disco", space=0.3, energy=0.75, busy=0.6,
              tightness=0.7),
        Style("funk", "Funk", (98, 110), "funk", ("dorian", "mixolydian"), "saxophone",
              (("clean guitar", "funk"),), "organ", ("electric bass", "kick"), "funk",
              swing=0.15, space=0.25, energy=0.7, busy=0.7, opening="drums"),
        Style("soul", "Soul", (76, 94), "lofi", EITHER, "saxophone",
              (("electric piano", "comp"), ("clean guitar", "backbeat")), "organ",
              ("electric bass", "kick"), "soul", swing=0.3, energy=0.45, busy=0.4),
        Style("ambient", "Ambient", (60, 72), "ambient", ("major", "lydian", "dorian"),
              "glass bells", (("harp", "sparse"),), "glass pad", ("sub bass", "root"), None,
              space=0.95, energy=0.1, opening="pad", busy=0.1, tightness=0.1),
        Style("rock", "Rock", (112, 136), "rock", ("mixolydian", "minor", "major"), "lead guitar",
              (("crunch guitar", "power"), ("clean guitar", "strum")), "organ",
              ("electric bass", "eighths"), "rock", kit="big", space=0.3, energy=0.8,
              opening="drums", busy=0.5),
        Style("metal", "Metal", (140, 168), "metal", ("phrygian", "minor"), "lead guitar",
              (("heavy guitar", "chug"),), "dark strings", ("electric bass", "eighths"), "metal",
              kit="big", space=0.3, energy=1.0, opening="drums", busy=0.7, tightness=0.8),
        Style("jazz", "Jazz", (108, 148), "jazz", EITHER, "saxophone",
              (("piano", "comp"),), None, ("upright bass", "walk"), "jazz", kit="brush",
              swing=1.0, space=0.4, energy=0.45, busy=0.6, tightness=0.2),
        Style("folk", "Folk", (88, 112), "folk", EITHER, "flute",
              (("steel guitar", "pick"),), "strings", ("upright bass", "two"), "folk",
              kit="brush", space=0.35, energy=0.4, busy=0.4, tightness=0.25),
        Style("acoustic", "Acoustic", (84, 104), "pop", EITHER, "nylon guitar",
              (("steel guitar", "strum"), ("nylon guitar", "pick")), "strings",
              ("upright bass", "two"), "folk", kit="brush", energy=0.4, busy=0.4, tightness=0.25),
        Style("classical", "Classical", (84, 112), "classical", EITHER, "violin",
              (("piano", "alberti"),), "strings", ("cello", "root"), None, space=0.6,
              energy=0.35, busy=0.5, tightness=0.3),
        Style("cinematic", "Cinematic", (84, 104), "cinematic",
              ("minor", "minor", "dorian", "major"), "horn",
              (("spiccato", "ostinato"), ("harp", "sparse")), "strings", ("cello", "root"),
              "epic", kit="epic", space=0.8, energy=0.7, opening="pad", busy=0.3, tightness=0.4),
        Style("synthwave", "Synthwave", (88, 112), "synthwave", MINOR, "synth lead",
              (("pluck", "sixteenth"), ("analog brass", "pad")), "warm pad",
              ("synth bass", "octaves"), "synthwave", kit="gated", space=0.5, energy=0.65,
              opening="arp", busy=0.45, tightness=0.9, ducking=0.35),
        Style("hip hop", "Hip hop", (82, 96), "lofi", ("minor", "dorian"), "electric piano",
              (("electric piano", "lofi"), ("pluck", "sparse")), "strings",
              ("sub bass", "kick"), "boom bap", kit="dusty", swing=0.4, space=0.3, energy=0.5,
              opening="drums", busy=0.45, tightness=0.5),
        Style("trap", "Trap", (134, 148), "club", ("minor", "phrygian"), "glass bells",
              (("pluck", "sparse"),), "dark pad", ("808", "kick"), "trap", kit="machine",
              space=0.45, energy=0.65, busy=0.4, tightness=0.9),
        Style("reggae", "Reggae", (70, 84), "reggae", EITHER, "melodica",
              (("clean guitar", "skank"), ("organ", "bubble")), None,
              ("electric bass", "reggae"), "one drop", swing=0.35, space=0.4, energy=0.5,
              opening="drums", busy=0.4, tightness=0.4),
        Style("waltz", "Waltz", (104, 144), "classical", EITHER, "violin",
              (("piano", "waltz"),), "strings", ("upright bass", "waltz"), "waltz", kit="brush",
              beats=3, space=0.5, energy=0.4, busy=0.4, tightness=0.3),
        Style("march", "March", (104, 120), "classical", MAJOR, "trumpet",
              (("horn section", "march"),), "strings", ("tuba", "two"), "march", kit="epic",
              space=0.5, energy=0.7, opening="drums", busy=0.4, tightness=0.7),
        Style("hymn", "Hymn", (70, 84), "hymn", MAJOR, "organ", (("church organ", "block"),),
              "choir", ("church bass", "root"), None, space=0.9, energy=0.35, busy=0.15,
              tightness=0.5),
        Style("bossa nova", "Bossa nova", (112, 132), "latin", EITHER, "flute",
              (("nylon guitar", "bossa"),), "warm pad", ("upright bass", "bossa"), "bossa",
              kit="latin", space=0.35, energy=0.4, busy=0.5, tightness=0.35),
        Style("latin", "Latin", (94, 112), "latin", ("minor", "major"), "trumpet",
              (("piano", "montuno"), ("nylon guitar", "strum")), None,
              ("upright bass", "tumbao"), "salsa", kit="latin", space=0.3, energy=0.75,
              opening="drums", busy=0.6, tightness=0.6),
        Style("drum and bass", "Drum & bass", (168, 176), "club", MINOR, "pluck",
              (("electric piano", "sparse"), ("pluck", "sixteenth")), "warm pad",
              ("reese", "dnb"), "dnb", kit="machine", space=0.45, energy=0.9, opening="drums",
              busy=0.5, tightness=0.9, ducking=0.25),
        Style("blues", "Blues", (78, 108), "blues", ("mixolydian",), "lead guitar",
              (("piano", "shuffle"), ("clean guitar", "backbeat")), "organ",
              ("electric bass", "walk"), "shuffle", swing=1.0, space=0.3, energy=0.55, busy=0.5,
              tightness=0.3),
        Style("country", "Country", (96, 124), "folk", MAJOR, "fiddle",
              (("steel guitar", "boom chick"), ("banjo", "roll")), None,
              ("upright bass", "two"), "train", kit="brush", space=0.25, energy=0.6, busy=0.5,
              tightness=0.5),
        Style("chiptune", "Chiptune", (132, 156), "pop", EITHER, "pulse lead",
              (("pulse", "sixteenth"),), None, ("triangle bass", "octaves"), "chip", kit="chip",
              space=0.08, energy=0.8, busy=0.7, tightness=1.0),
        Style("lullaby", "Lullaby", (72, 88), "classical", MAJOR, "music box",
              (("harp", "waltz"),), "warm pad", None, None, beats=3, space=0.6, energy=0.15,
              busy=0.25, tightness=0.3),
    )  # fmt: skip


STYLES: dict[str, Style] = {style.name: style for style in _rows()}
