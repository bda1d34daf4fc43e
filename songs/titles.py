"""Make a song's first title from its description."""

from __future__ import annotations

import re

from jobs.api import excerpt, one_line, shows

MAX_LENGTH = 60
SHORTEST_CLAUSE = 8


SECTION = re.compile(r"\s*(\[.*\])?\s*")  # an empty line, or one like “[verse]”


def title_from_lyrics(lyrics: str) -> str:
    """The first line that is sung."""
    sung = (line for line in lyrics.splitlines() if shows(line) and not SECTION.fullmatch(line))
    return title_from(next(sung, lyrics))


def title_from(description: str) -> str:
    """The description's first clause: capitalised, at most 60 characters, cut at a word."""
    words = one_line(description)
    clause = re.split(r"[,.;:!?](?:\s|$)|\s[–—-]\s", words, maxsplit=1)[0].strip()
    told = clause if len(clause) >= SHORTEST_CLAUSE and shows(clause) else words
    title = excerpt(told, MAX_LENGTH, at_word=True)
    return title[:1].upper() + title[1:]
