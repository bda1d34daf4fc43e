"""Songs as the lists and pages of the panel show them: what they cost, their run, what can be done.

A page's songs cost two queries: one for their entries, one for their runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.api import LatestRun, latest_runs
from songs import permissions
from songs.admin import html
from songs.generation import EVENT
from songs.models import CHARGES, CreditEntry, EntryKind, Song, User

FN = EVENT  # the function that makes a song has the id of its event


@dataclass(frozen=True)
class SongRow:
    """A song, its entries in the ledger, its run, and the account that looks at it."""

    song: Song
    entries: Sequence[CreditEntry]
    found: LatestRun | None
    viewer: Any

    @cached_property
    def badge(self) -> SafeString:
        return html.badge(self.song)

    @cached_property
    def listener(self) -> SafeString:
        return html.listener(self.song.owner, self.viewer)

    @cached_property
    def charge(self) -> str:
        """“−1”, “waived”, “−1, 1 given back”, “nothing”."""
        said = []
        for entry in self.entries:
            if entry.kind == EntryKind.CHARGE:
                said.append("−1")
            elif entry.kind == EntryKind.WAIVED:
                said.append("waived")
        back = sum(entry.amount for entry in self.entries if entry.kind == EntryKind.REFUND)
        given = [f"{back} given back" if said else f"{back} given"] if back else []
        return ", ".join([*(said or ["nothing"]), *given])

    @cached_property
    def run(self) -> SafeString | str:
        """The run's status as a link; a link to the event if no run is remembered."""
        if self.found is None and self.song.event_id and self.viewer.has_perm("jobs.view_event"):
            url = reverse("admin:jobs_event_change", args=[self.song.event_id])
            return format_html('<a href="{}">event</a>', url)
        return run_link(self.found, self.viewer)

    @property
    def is_charged(self) -> bool:
        return any(entry.kind in CHARGES for entry in self.entries)

    @property
    def is_made_again(self) -> bool:
        """Whether the run of a song that did not work goes on: an operator has retried it."""
        goes_on = self.found is not None and self.found.is_unfinished
        return self.song.can_be_tried_again and goes_on

    @property
    def is_untold(self) -> bool:
        """Whether the run has ended and the song does not know: the hook that tells it waits."""
        return self._is_behind and not self.is_skipped

    @property
    def is_skipped(self) -> bool:
        """Whether the run waits for a replay: its function was paused when the song was ordered."""
        return self._is_behind and self.found is not None and self.found.status == "skipped"

    @property
    def _is_behind(self) -> bool:
        ended = self.found is not None and not self.found.is_unfinished
        return self.song.is_in_the_making and ended

    @property
    def note(self) -> str:
        """What stands beside the status."""
        if self.is_untold:
            return "its run has ended, and has not told it"
        if self.is_skipped:
            return "its run was skipped, and waits for a replay"
        if self.is_made_again:
            return "its run goes on again"
        return self.song.reason

    @property
    def can_be_made_again(self) -> bool:
        return self.song.can_be_tried_again and not self.is_made_again

    @property
    def can_be_refunded(self) -> bool:
        return not self.song.is_in_the_making

    @property
    def is_refunded(self) -> bool:
        return any(entry.kind == EntryKind.REFUND for entry in self.entries)


@dataclass(frozen=True)
class Acts:
    """What an account may do about the songs of a listener."""

    again: bool
    refund: bool

    @classmethod
    def of(cls, viewer: Any, owner: User) -> Acts:
        held = permissions.held_for(viewer, owner, permissions.MAKE_AGAIN, permissions.GRANT)
        return cls(again=permissions.MAKE_AGAIN in held, refund=permissions.GRANT in held)


def run_link(found: LatestRun | None, viewer: Any) -> SafeString | str:
    """The run's status; a link if the viewer may open runs."""
    if found is None or not viewer.has_perm("jobs.view_run"):
        return html.NOTHING
    url = reverse("admin:jobs_run_change", args=[found.id])
    return format_html(
        '<a class="jobs-badge jobs-{}" href="{}">{}</a>', found.status, url, found.status
    )


Runs = Mapping[UUID, LatestRun]  # by the event


def runs_of(songs: Iterable[Song]) -> Runs:
    """The newest run of each song that has an event: one query."""
    return latest_runs({song.event_id for song in songs if song.event_id}, fn_id=FN)


def rows(songs: Sequence[Song], viewer: Any, runs: Runs | None = None) -> list[SongRow]:
    """A row for each song. `runs` are those of the songs, if they have been read."""
    entries: dict[Any, list[CreditEntry]] = defaultdict(list)
    for entry in CreditEntry.objects.filter(song__in=songs).order_by("id"):
        entries[entry.song_id].append(entry)
    runs = runs_of(songs) if runs is None else runs
    return [
        SongRow(
            song=song,
            entries=entries[song.pk],
            found=runs.get(song.event_id) if song.event_id else None,
            viewer=viewer,
        )
        for song in songs
    ]
