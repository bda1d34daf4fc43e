"""A song's title, made from its description until the listener gives it a better one."""

from __future__ import annotations

import re

LONGEST = 60
SHORTEST_CLAUSE = 8


def title_from(description: str) -> str:
    """The first clause, capitalised, at most 60 characters, cut at a word."""
    words = " ".join(description.split())
    clause = re.split(r"[,.;:!?](?:\s|$)|\s[–—-]\s", words, maxsplit=1)[0].strip()
    title = shortened(clause if len(clause) >= SHORTEST_CLAUSE else words)
    return title[:1].upper() + title[1:]


def shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    head = text[:LONGEST]
    at_word = head.rsplit(" ", 1)[0] if text[LONGEST - 1] != " " else head
    return at_word.rstrip(" ,.;:–—-")[: LONGEST - 1] + "…"
