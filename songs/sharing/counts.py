"""The likes and plays of songs: what the tally has added, and what came since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Sum

from songs.models import CountChange, Publication


@dataclass(frozen=True)
class Counts:
    likes: int
    plays: int


def counts_of(publications: Iterable[Publication]) -> dict[UUID, Counts]:
    """The counts of each song: one query for all of them."""
    found = {row.pk: row for row in publications}
    changes = CountChange.objects.filter(song_id__in=found).values_list("song_id")
    since = {song_id: sums for song_id, *sums in changes.annotate(Sum("likes"), Sum("plays"))}
    return {pk: _sum(row, *since.get(pk, (0, 0))) for pk, row in found.items()}


def _sum(row: Publication, likes: int, plays: int) -> Counts:
    return Counts(likes=max(row.likes + likes, 0), plays=row.plays + plays)
