"""Template tags and filters of the pages."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timedelta

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from songs import credits, entry_words
from songs.models import User

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon from the sprite, hidden from screen readers: the text beside it says the same."""
    sprite = static("site/icons.svg")
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        sprite,
        name,
    )


@register.simple_tag
def balance_of(user: User) -> credits.Balance:
    return credits.balance(user)


register.filter("explanation", entry_words.explanation)
register.filter("about", entry_words.about)
register.filter("reason", entry_words.reason)


@register.filter
def ago(moment: datetime) -> str:
    """The age in its largest unit: “2 hours ago”."""
    if timezone.now() - moment < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"


@register.filter
def clock(seconds: float | str) -> str:
    """95 → 1:35. What a form brought and is no time is left out."""
    number = as_number(seconds)
    if number is None:
        return ""
    minutes, rest = divmod(round(number), 60)
    return f"{minutes}:{rest:02d}"


def as_number(value: float | str) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 10_000 else None


# --- lengths and closeness in words: from this number on, so it is called ---

LENGTHS = {
    0: "a sketch",
    25: "a short piece",
    55: "a short song",
    110: "a song",
    185: "a long song",
}
CLOSENESS = {
    0: "surprise me",
    4: "a free hand",
    9: "loosely",
    13: "closely",
    19: "very closely",
    26: "to the letter",
}


def in_words(value: float | str, names: dict[int, str]) -> str:
    number = as_number(value)
    if number is None:
        return ""
    return names[max(least for least in names if least <= number)]


@register.filter
def length_in_words(seconds: float | str) -> str:
    return in_words(seconds, LENGTHS)


@register.filter
def closeness_in_words(scale: float | str) -> str:
    return in_words(scale, CLOSENESS)


def words_for_scripts(names: dict[int, str]) -> str:
    """“0 a sketch|25 a short piece|…”, which site.js reads."""
    return "|".join(f"{least} {name}" for least, name in names.items())


@register.simple_tag
def length_words() -> str:
    return words_for_scripts(LENGTHS)


@register.simple_tag
def closeness_words() -> str:
    return words_for_scripts(CLOSENESS)


@register.filter
def bars(waveform: str) -> str:
    """The `d` of an SVG path, 640 by 48: a bar for each byte of a waveform in base64. Without a
    waveform, a line of even bars. player.js draws the same."""
    peaks = b64decode(waveform) or bytes([24] * 96)
    step = 640 / len(peaks)
    halves = [max(1.5, peak / 255 * 23) for peak in peaks]
    return "".join(
        f"M{at * step + step / 2:.1f} {24 - half:.1f}v{half * 2:.1f}"
        for at, half in enumerate(halves)
    )
