"""Make a song's first title from its description."""

from __future__ import annotations

import re

from jobs.api import excerpt

LONGEST = 60
SHORTEST_CLAUSE = 8


def title_from(description: str) -> str:
    """The description's first clause: capitalised, at most 60 characters, cut at a word."""
    words = " ".join(description.split())
    clause = re.split(r"[,.;:!?](?:\s|$)|\s[–—-]\s", words, maxsplit=1)[0].strip()
    told = clause if len(clause) >= SHORTEST_CLAUSE else words
    title = excerpt(told, LONGEST, at_word=True)
    return title[:1].upper() + title[1:]
