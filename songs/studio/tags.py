"""Tags: the ID3 header that a player shows (version 2.4, id3.org)."""

from __future__ import annotations

from collections.abc import Iterator

from songs.studio.words.brief import NAMES, Brief

ARTIST = "MelodyMaker Studio"
UTF8 = b"\3"


def tagged(mp3: bytes, brief: Brief) -> bytes:
    """Add title, artist, genre, tempo and key to the MP3. The listener's words are not among them:
    a published song's file goes to strangers."""
    frames = b"".join(_frames(brief))
    return b"ID3\4\0\0" + _size(len(frames)) + frames + mp3


def _frames(brief: Brief) -> Iterator[bytes]:
    yield _text("TIT2", brief.title)
    yield _text("TPE1", ARTIST)
    yield _text("TCON", brief.style.label)
    yield _text("TBPM", str(round(brief.tempo)))
    yield _text("TKEY", NAMES[brief.tonic] + ("" if brief.bright else "m"))
    yield _text("TLEN", str(round(brief.duration * 1000)))  # milliseconds
    yield _text("TENC", ARTIST)


def _text(name: str, text: str) -> bytes:
    return _frame(name, text.encode())


def _frame(name: str, content: bytes) -> bytes:
    return name.encode() + _size(1 + len(content)) + b"\0\0" + UTF8 + content


def _size(count: int) -> bytes:
    """Four bytes of seven bits each."""
    return bytes(count >> shift & 0x7F for shift in (21, 14, 7, 0))
