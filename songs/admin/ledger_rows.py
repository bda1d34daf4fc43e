"""Entries of the ledger as tables show them, each with the run of its song."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.api import LatestRun
from songs.admin import html
from songs.admin.song_rows import Runs, run_link, runs_of
from songs.models import CreditEntry, EntryKind

_TONES = {
    EntryKind.WELCOME: "completed",
    EntryKind.GRANT: "completed",
    EntryKind.CHARGE: "running",
    EntryKind.WAIVED: "waiting",
    EntryKind.REFUND: "cancelled",
}


@dataclass(frozen=True)
class EntryRow:
    """An entry, the run of its song, and the account that looks at it."""

    entry: CreditEntry
    found: LatestRun | None
    viewer: Any

    @property
    def amount(self) -> SafeString:
        return html.signed(self.entry.amount)

    @property
    def balance(self) -> str:
        """The balance after the entry."""
        return html.NOTHING if self.entry.balance is None else f"{self.entry.balance:,}"

    @property
    def kind(self) -> SafeString:
        tone = _TONES.get(EntryKind(self.entry.kind), "queued")
        words = self.entry.get_kind_display()
        return format_html('<span class="jobs-badge jobs-{}">{}</span>', tone, words)

    @property
    def song(self) -> SafeString | str:
        song = self.entry.song
        return html.NOTHING if song is None else html.song_link(song, self.viewer)

    @property
    def run(self) -> SafeString | str:
        return run_link(self.found, self.viewer)


def rows(entries: Sequence[CreditEntry], viewer: Any, runs: Runs | None = None) -> list[EntryRow]:
    """A row for each entry. `runs` are those of their songs, if they have been read."""
    songs = [entry.song for entry in entries if entry.song is not None]
    runs = runs_of(songs) if runs is None else runs
    of_song = {song.pk: runs.get(song.event_id) for song in songs if song.event_id}
    return [
        EntryRow(entry, of_song.get(entry.song_id) if entry.song_id else None, viewer)
        for entry in entries
    ]
