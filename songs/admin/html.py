"""Pieces of HTML of the product's pages; all of it escaped.

Times and statuses are written by the engine's own filters, which a template may load.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from songs import permissions
from songs.models import Song, SongStatus, User

NOTHING = "–"
LEFT = SafeString('<span class="jobs-quiet">has left</span>')
_AGO = Template("{% load jobs_admin %}{{ moment|ago }}")
_BADGES = {  # the class of the engine's statuses that looks as the song's should
    SongStatus.QUEUED: "queued",
    SongStatus.PROCESSING: "running",
    SongStatus.PROCESSED: "completed",
    SongStatus.FAILED: "failed",
    SongStatus.NO_CREDITS: "cancelled",
    SongStatus.CANCELLED: "cancelled",
}


def ago(moment: datetime | None) -> SafeString:
    """How long ago, with the exact time in its title."""
    return _AGO.render(Context({"moment": moment}))


def badge(song: Song) -> SafeString:
    """The song's status as a word with a dot."""
    return dot(_BADGES.get(SongStatus(song.status), "queued"), song.get_status_display())


def dot(kind: str, words: str) -> SafeString:
    """A word with the dot of one of the engine's statuses."""
    return format_html('<span class="jobs-badge jobs-{}">{}</span>', kind, words)


def listener(user: User | None, viewer: User | AnonymousUser) -> SafeString:
    """The listener's name; a link if the viewer may open the page. None has left."""
    if user is None:
        return LEFT
    if not permissions.may_see_accounts(viewer):
        return format_html("<bdi>{}</bdi>", user.get_username())
    url = reverse("admin:songs_user_change", args=[user.pk])
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, user.get_username())


def song_link(song: Song, viewer: User | AnonymousUser) -> SafeString:
    """The song's title; a link if the viewer may open the page."""
    if not permissions.may_see_songs(viewer):
        return format_html("<bdi>{}</bdi>", song)
    url = reverse("admin:songs_song_change", args=[song.pk])
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, song)


def signed(amount: int) -> SafeString:
    """“+5”, “−1”, “0”, as a figure of a table."""
    sign = "+" if amount > 0 else "−" if amount < 0 else ""
    return format_html('<span class="song-figure">{}{}</span>', sign, f"{abs(amount):,}")


def address(name: str, *args: Any, **query: Any) -> str:
    """The URL of a page of the panel, with a query string of what is not empty."""
    url = reverse(f"admin:{name}", args=args)
    given: Mapping[str, Any] = {key: value for key, value in query.items() if value}
    return f"{url}?{'&'.join(f'{key}={value}' for key, value in given.items())}" if given else url


def refusals(rule: str, times: int) -> SafeString:
    """How often a limit refused; a link to whom."""
    if not times:
        return format_html('<span class="song-figure">{}</span>', 0)
    url = address("songs_limitcount_changelist", rule=rule)
    return format_html('<a class="song-figure" href="{}">{}</a>', url, f"{times:,}")
