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

from songs import credits
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


@register.filter
def ago(moment: datetime) -> str:
    """The age in its largest unit: “2 hours ago”."""
    if timezone.now() - moment < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"


@register.filter
def clock(seconds: float) -> str:
    """95 → 1:35"""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


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
