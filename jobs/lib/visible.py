"""What of a text can be seen: words that show nothing are no words, and a line keeps what joins
letters and emoji."""

from __future__ import annotations

import re
import unicodedata

UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs")  # categories of Unicode
# Of other categories: fillers, an empty pattern of Braille, what chooses among forms of a letter.
FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
NO_CHARACTER = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
JOINERS = "\u200c\u200d"  # Persian and Indic words, emoji of several signs
TAGS = "\U000e0020-\U000e007f"  # behind a black flag: those of England, Scotland and Wales
KEPT = re.compile(f"[{JOINERS}{TAGS}]")
JOINING_NOTHING = re.compile(f"(?<![^ {JOINERS}])[{JOINERS}]+|[{JOINERS}]+(?= |$)")
STRAY_TAGS = re.compile(f"(?<![\U0001f3f4{TAGS}])[{TAGS}]+")


def is_visible(character: str) -> bool:
    return unicodedata.category(character) not in UNSEEN and not (
        FILLERS.match(character) or _is_none(character)
    )


def shows(text: str) -> bool:
    """Whether a reader sees anything of it."""
    return any(map(is_visible, text))


def one_line(text: str) -> str:
    """The text on one line, without what cannot be printed; empty if nothing of it shows."""
    line = "".join(c if _stays(c) else " " for c in text)
    line = STRAY_TAGS.sub(" ", JOINING_NOTHING.sub("", line))
    return " ".join(line.split()) if shows(line) else ""


def _stays(character: str) -> bool:
    """An emoji that is newer than this Python's Unicode stays."""
    if character.isprintable() or KEPT.match(character):
        return True
    return unicodedata.category(character) == "Cn" and is_visible(character)


def _is_none(character: str) -> bool:
    return bool(NO_CHARACTER.match(character)) or ord(character) & 0xFFFE == 0xFFFE
