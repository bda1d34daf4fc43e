"""Brief: the meaning of a description, with a choice for everything that it leaves open."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from songs.studio.words.styles import STYLES, Style
from songs.studio.words.vocabulary import (
    BEATLESS_PHRASES,
    DRUM_WORDS,
    GENRE_WORDS,
    INSTRUMENT_WORDS,
    KEY_WORDS,
    MODE_WORDS,
    MOOD_WORDS,
    TEMPO_WORDS,
    TEXTURE_WORDS,
    VOICE_WORDS,
    WEAK_GENRES,
    Mood,
)

T = TypeVar("T")
NEUTRAL = Mood("Melodic", 0.2, 0.0)
BRIGHT_MODES = {"major", "lydian", "mixolydian"}
COMP_PATTERNS = {"strings": "pad", "harp": "arp", "banjo": "roll", "harpsichord": "alberti"}


@dataclass(frozen=True)
class Brief:
    """A song to be written: style, mood, key, tempo (beats a minute), duration (seconds)."""

    title: str
    style: Style
    mood: Mood
    tempo: float
    tempo_is_given: bool
    tonic: int
    mode: str
    duration: float
    sung: bool
    textures: tuple[str, ...]
    drafts: int
    categories: tuple[str, ...]
    digest: str

    @property
    def bright(self) -> bool:
        return self.mode in BRIGHT_MODES

    @property
    def energy(self) -> float:
        return float(np.clip(self.style.energy + 0.25 * self.mood.arousal, 0.05, 1.0))

    def rng(self, purpose: str) -> np.random.Generator:
        """A random generator of the song, an independent one for each purpose."""
        seed = hashlib.sha256(f"{self.digest}/{purpose}".encode()).digest()
        return np.random.default_rng(int.from_bytes(seed[:16], "big"))


def understand(
    description: str,
    *,
    song: str = "",
    duration: float = 180.0,
    seed: int = -1,
    guidance: float = 15.0,
    steps: int = 60,
    instrumental: bool = False,
) -> Brief:
    """Read a description. Unknown words still give a song; the same words give the same song.

    `song` is a text, or what a text is about: it gives the song its title and a tune of its own.
    """
    text = _plain(description)
    digest = _digest(f"{description}\x1f{song}" if song else description, seed, guidance, steps)
    dice = np.random.default_rng(int(digest[:16], 16))
    said, refused = _split_refusals(text)
    mood = _mood(said, dice)
    style, genre_is_said = _style(said, mood, dice)
    style = _with_instruments(style, said)
    style = _without_refused(style, refused, said)
    tempo, tempo_label, given = _tempo(text, style, mood, guidance, dice)
    tonic, mode = _key(said, style, mood, dice)
    silent = refused & VOICE_WORDS or _found(text, {"instrumental": 1})
    return Brief(
        title=_title(song or description) or f"{style.label} song",
        style=style,
        mood=mood,
        tempo=tempo,
        tempo_is_given=given,
        tonic=tonic,
        mode=mode,
        duration=duration,
        sung=not (instrumental or silent),
        textures=tuple(dict.fromkeys(_found(said, TEXTURE_WORDS).values()))[:2],
        drafts=max(1, steps // 6),
        categories=_categories(said, style, mood, tempo_label, genre_is_said),
        digest=digest,
    )


def _plain(description: str) -> str:
    """Lower case, no accents, words and numbers apart by single spaces."""
    folded = unicodedata.normalize("NFKD", description.casefold())
    letters = "".join(c for c in folded if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", letters))


def _digest(description: str, seed: int, guidance: float, steps: int) -> str:
    canonical = f"{description.strip()}\x1f{seed}\x1f{guidance!r}\x1f{steps}"
    return hashlib.sha256(canonical.encode("utf-8", "replace")).hexdigest()


def _split_refusals(text: str) -> tuple[str, set[str]]:
    """`soft piano no drums` -> (`soft piano`, {`drums`})."""
    pattern = r"\b(?:no|without|sans|not|zero)\s+((?:any\s+)?)(\w+)"
    refused = {match.group(2) for match in re.finditer(pattern, text)}
    return re.sub(pattern, " ", text), refused


def _found(text: str, words: Mapping[str, T]) -> dict[str, T]:
    """The entries that `text` contains, in its order. A longer phrase hides the words in it."""
    hits: list[tuple[int, int, str]] = []
    for phrase in sorted(words, key=len, reverse=True):
        for match in re.finditer(rf"\b{re.escape(phrase)}\b", text):
            start, end = match.span()
            if not any(start < other_end and end > other for other, other_end, _ in hits):
                hits.append((start, end, phrase))
    return {phrase: words[phrase] for _, _, phrase in sorted(hits)}


def _mood(said: str, dice: np.random.Generator) -> Mood:
    moods = list(_found(said, MOOD_WORDS).values())
    if not moods:
        return replace(NEUTRAL, valence=float(dice.choice([-0.4, 0.3])))
    valence = float(np.mean([mood.valence for mood in moods]))
    arousal = float(np.mean([mood.arousal for mood in moods]))
    return Mood(moods[0].label, valence, arousal)


def _style(said: str, mood: Mood, dice: np.random.Generator) -> tuple[Style, bool]:
    genres = _found(said, GENRE_WORDS)
    if genres:
        strong = [word for word in genres if word not in WEAK_GENRES]
        chosen = max(strong, key=len) if strong else next(iter(genres))
        return STYLES[genres[chosen]], True
    return STYLES[str(dice.choice(_fitting_styles(mood)))], False


def _fitting_styles(mood: Mood) -> list[str]:
    if mood.arousal < -0.4:
        return ["piano ballad", "lo-fi", "ambient", "acoustic"]
    if mood.arousal > 0.5:
        return ["pop", "rock", "house", "synthwave", "funk"]
    if mood.valence < -0.3:
        return ["piano ballad", "synthwave", "cinematic", "acoustic"]
    return ["pop", "acoustic", "folk", "soul", "lo-fi", "bossa nova", "synthwave"]


def _with_instruments(style: Style, said: str) -> Style:
    """The named instruments play: a solo instrument leads, a chordal one accompanies."""
    for _, (instrument, role, _) in _found(said, INSTRUMENT_WORDS).items():
        if role == "lead":
            style = replace(style, lead=instrument)
        elif role == "pad":
            style = replace(style, pad=instrument)
        elif role == "bass":
            style = _with_bass(style, instrument)
        else:
            style = _with_comp(style, instrument)
    return style


def _with_bass(style: Style, instrument: str) -> Style:
    if style.bass is None:
        return replace(style, bass=(instrument, "root"))
    plain = instrument == "electric bass"
    return style if plain else replace(style, bass=(instrument, style.bass[1]))


def _with_comp(style: Style, instrument: str) -> Style:
    playing = [name for name, _ in style.comp]
    if instrument in playing:
        return style
    family = instrument.rsplit(" ")[-1]
    if any(name.rsplit(" ")[-1] == family for name in playing) and instrument == "steel guitar":
        return style
    pattern = COMP_PATTERNS.get(instrument, style.comp[0][1])
    return replace(style, comp=((instrument, pattern), *style.comp[1:]))


def _without_refused(style: Style, refused: set[str], said: str) -> Style:
    beatless = refused & set(DRUM_WORDS) or _found(said, dict.fromkeys(BEATLESS_PHRASES, 1))
    if beatless:
        style = replace(style, groove=None, opening="harmony")
    elif style.groove is None and _found(said, dict.fromkeys(DRUM_WORDS, 1)):
        style = replace(style, groove="ballad" if style.beats == 4 else "waltz")
    if refused & {"bass"}:
        style = replace(style, bass=None)
    names = {INSTRUMENT_WORDS[word][0] for word in refused if word in INSTRUMENT_WORDS}
    comp = tuple(row for row in style.comp if row[0] not in names)
    lead = style.lead if style.lead not in names else "flute"
    pad = style.pad if style.pad not in names else None
    return replace(style, comp=comp or (("harp", "arp"),), lead=lead, pad=pad)


def _tempo(
    text: str, style: Style, mood: Mood, guidance: float, dice: np.random.Generator
) -> tuple[float, str, bool]:
    low, high = style.tempo
    number = re.search(r"\b(\d{2,3})\s?(?:bpm|beats per minute)\b", text)
    if number and 40 <= int(number.group(1)) <= 220:
        tempo = float(number.group(1))
        return tempo, _tempo_label(tempo), True
    said = _found(text, TEMPO_WORDS)
    if said:
        place, label = next(iter(said.values()))
        return round(low + (high - low) * place + 2 * dice.random()), label, False
    # With low guidance the random choices stray further from the mood.
    wander = (dice.random() - 0.5) * (1.0 - guidance / 40.0)
    place = float(np.clip(0.5 + 0.35 * mood.arousal + wander, 0.0, 1.0))
    tempo = round(low + (high - low) * place)
    return tempo, _tempo_label(tempo), False


def _tempo_label(tempo: float) -> str:
    return "Slow" if tempo < 84 else "Mid-tempo" if tempo < 118 else "Fast"


def _key(said: str, style: Style, mood: Mood, dice: np.random.Generator) -> tuple[int, str]:
    tonic = int(dice.choice([0, 2, 3, 4, 5, 7, 9, 10]))
    named = re.search(r"\b(?:in\s+)?([a-g])(?:\s(sharp|flat))?\s(major|minor)\b", said)
    if named:
        name = f"{named.group(1)} {named.group(2)}" if named.group(2) else named.group(1)
        return KEY_WORDS.get(name, tonic), named.group(3)
    modes = _found(said, MODE_WORDS)
    if modes:
        return tonic, next(iter(modes.values()))
    return tonic, str(dice.choice(_fitting_modes(style.modes, mood)))


def _fitting_modes(modes: Iterable[str], mood: Mood) -> list[str]:
    wanted_bright = mood.valence >= 0.25 if abs(mood.valence) > 0.15 else None
    fitting = [m for m in modes if wanted_bright is None or (m in BRIGHT_MODES) == wanted_bright]
    if fitting:
        return fitting
    if mood.valence <= -0.6:
        return ["minor"]
    return list(modes) if mood.valence < 0.6 else ["major"]


def _title(description: str) -> str:
    """The description on one line, at most 60 characters, cut between words."""
    line = " ".join("".join(c if c.isprintable() else " " for c in description).split())
    if len(line) > 60:
        line = line[:60].rsplit(" ", 1)[0].rstrip(",.;:-") + "…"
    return line[:1].upper() + line[1:]


def _categories(
    said: str, style: Style, mood: Mood, tempo_label: str, genre_is_said: bool
) -> tuple[str, ...]:
    instruments = [label for _, _, label in _found(said, INSTRUMENT_WORDS).values()]
    moods = list(dict.fromkeys(m.label for m in _found(said, MOOD_WORDS).values()))
    textures = [name.capitalize() for name in _found(said, TEXTURE_WORDS).values()]
    moods = moods or [_character(style, mood)]
    wanted = [style.label, *instruments[:2], *moods[:2], tempo_label, *textures]
    if not genre_is_said and instruments:
        wanted = [*instruments[:2], style.label, *wanted[1:]]
    return tuple(dict.fromkeys(wanted))[:5]


def _character(style: Style, mood: Mood) -> str:
    """The mood of a song whose description names none."""
    if style.energy >= 0.7:
        return "Energetic"
    if style.energy <= 0.3:
        return "Calm"
    return "Warm" if mood.valence > 0 else "Moody"
