"""The progress of a song in words, and how long songs usually take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from math import ceil, floor
from statistics import quantiles
from uuid import UUID

from songs.generation import made_again
from songs.models import Song, SongStatus, User

RECENT = 50
LOOKED_AT = 200  # songs, among which those of one length are found
ALIKE = 1.5  # times as long or as short is still the same length
FEWEST = 5


@dataclass(frozen=True)
class UsualTime:
    """The middle half of the last songs' times, in seconds from a song's turn to its end."""

    low: float
    high: float

    def __str__(self) -> str:
        if self.high <= 60:
            low, high = floor(self.low / 5) * 5, ceil(self.high / 5) * 5
            return f"{low}–{high} seconds" if low else f"under {high} seconds"
        low, high = max(round(self.low / 60), 1), ceil(self.high / 60)
        return f"{low}–{high} minutes" if low < high else f"about {high} minutes"


def usual_time(duration: float | None = None) -> UsualTime | None:
    """The usual time of the last 50 songs, of that length in seconds if there are enough of them;
    None if there are too few songs. From a song's turn on, not from the wish."""
    return usual_of(recent_songs(), duration)


Made = tuple[float, float]  # a song's length, and how long it took, both in seconds


def recent_songs() -> list[Made]:
    """The last 200 songs, the newest first: one query."""
    newest = Song.objects.processed().filter(finished_at__isnull=False).order_by("-finished_at")
    columns = newest.values_list("audio_duration", "started_at", "created_at", "finished_at")
    return [
        (duration, (end - (start or ordered)).total_seconds())
        for duration, start, ordered, end in columns[:LOOKED_AT]
        if end
    ]


def usual_of(recent: list[Made], duration: float | None) -> UsualTime | None:
    alike = [took for length, took in recent if duration and is_about(length, duration)]
    times = alike if len(alike) >= FEWEST else [took for _, took in recent]
    if len(times) < FEWEST:
        return None
    low, _median, high = quantiles(first(times, RECENT), n=4, method="inclusive")
    return UsualTime(low, max(high, 1.0))


def is_about(length: float, duration: float) -> bool:
    return duration / ALIKE <= length <= duration * ALIKE


def first(times: list[float], most: int) -> list[float]:
    return list(islice(times, most))


@dataclass(frozen=True)
class Card:
    """A song as a page shows it."""

    song: Song
    ahead: int = 0  # how many of the listener's songs are made before this one
    usual: UsualTime | None = None

    @property
    def state(self) -> str:
        """A text that changes when the card changes."""
        return f"{self.song.status.replace(' ', '-')}.{self.ahead}"

    @property
    def status_line(self) -> str:
        if self.song.status == SongStatus.QUEUED and self.ahead:
            songs = "one of your songs is" if self.ahead == 1 else f"{self.ahead} of yours are"
            return f"In line: {songs} made first"
        return STATUS_LINES[SongStatus(self.song.status)]

    @property
    def since(self) -> datetime:
        """When its turn came, or when it was asked for."""
        return self.song.started_at or self.song.created_at

    @property
    def tab(self) -> str:
        """What the browser's tab says of it."""
        mark = TAB_MARKS.get(SongStatus(self.song.status), "")
        line = f"#{self.ahead + 1} in line" if self.song.status == SongStatus.QUEUED else mark
        return f"{line} · {self.song}" if line else str(self.song)

    @property
    def news(self) -> str:
        """The sentence for screen readers when the state changes."""
        return f"“{self.song}”: {self.status_line}."


TAB_MARKS = {
    SongStatus.PROCESSING: "Being made",
    SongStatus.PROCESSED: "Ready",
    SongStatus.FAILED: "Did not work",
    SongStatus.NO_CREDITS: "Not made",
    SongStatus.CANCELLED: "Cancelled",
}
STATUS_LINES = {
    SongStatus.QUEUED: "In line: it starts in a moment",
    SongStatus.PROCESSING: "Being made",
    SongStatus.PROCESSED: "Ready to play",
    SongStatus.FAILED: "This one did not work",
    SongStatus.NO_CREDITS: "Not made: no credits were left",
    SongStatus.CANCELLED: "Cancelled",
}


def cards(user: User, songs: Iterable[Song]) -> list[Card]:
    """The cards of the songs, with their places in the listener's line."""
    found = as_they_are(songs)
    if not any(song.is_in_the_making for song in found):
        return [Card(song) for song in found]
    places = {song_id: place for place, song_id in enumerate(waiting_line(user))}
    recent = recent_songs()
    return [
        Card(song, places.get(song.id, 0), usual_of(recent, song.audio_duration)) for song in found
    ]


def as_they_are(songs: Iterable[Song]) -> list[Song]:
    """The songs, of which those whose run was retried are shown as in line.

    The hook that updates the row may be late. This changes the objects only, never the row.
    """
    found = list(songs)
    again = made_again(found)
    for song in found:
        if song.id in again:
            song.status, song.reason = SongStatus.QUEUED, ""
            song.started_at = song.finished_at = None
    return found


def waiting_line(user: User) -> list[UUID]:
    """The listener's songs in the making, the oldest first: they are made one after the other."""
    making = Song.objects.owned_by(user).in_the_making().order_by("created_at", "id")
    return list(making.values_list("id", flat=True))
