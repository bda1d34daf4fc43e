"""Tags: the ID3 header that a player shows."""

from __future__ import annotations

import io

from mutagen.id3 import COMM, ID3, TBPM, TCON, TENC, TIT2, TKEY, TLEN, TPE1

from .brief import Brief

ARTIST = "MelodyMaker Studio"
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def tagged(mp3: bytes, brief: Brief, description: str) -> bytes:
    """Add title, artist, genre, tempo, key and, as a comment, the description to the MP3."""
    words = "".join(c for c in description.strip()[:2000] if c.isprintable() or c == "\n")
    tags = ID3()
    tags.add(TIT2(encoding=3, text=brief.title))
    tags.add(TPE1(encoding=3, text=ARTIST))
    tags.add(TCON(encoding=3, text=brief.style.label))
    tags.add(TBPM(encoding=3, text=str(round(brief.tempo))))
    tags.add(TKEY(encoding=3, text=NAMES[brief.tonic] + ("" if brief.bright else "m")))
    tags.add(TLEN(encoding=3, text=str(round(brief.duration * 1000))))
    tags.add(TENC(encoding=3, text=ARTIST))
    tags.add(COMM(encoding=3, lang="eng", desc="", text=words))
    header = io.BytesIO()
    tags.save(header, v2_version=4, padding=lambda info: 0)
    return header.getvalue() + mp3
