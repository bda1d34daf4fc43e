"""The tally adds the changes of counts to the songs' rows, and to their places in the lists."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery

from songs.models import CountChange, Listing, Publication
from songs.sharing import heat

BATCH = 2_000  # changes of one transaction


@transaction.atomic
def add_changes() -> int:
    """Add the oldest changes and delete them; returns how many there were. Changes of songs that
    were deleted since are dropped.

    Two tallies at once take different changes. The songs are locked in order, so that they cannot
    deadlock; each song is read under its lock.
    """
    oldest = CountChange.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH]
    changes: dict[UUID, list[CountChange]] = defaultdict(list)
    taken = list(oldest)
    for change in taken:
        changes[change.song_id].append(change)
    rows = list(
        Publication.objects.select_for_update(no_key=True).filter(pk__in=changes).order_by("pk")
    )
    for row in rows:
        _add(row, changes[row.pk])
    Publication.objects.bulk_update(rows, ["likes", "plays", "heat"])
    _renew_places(rows)
    CountChange.objects.filter(pk__in=[change.pk for change in taken]).delete()
    return len(taken)


def _add(row: Publication, changes: list[CountChange]) -> None:
    row.likes = max(row.likes + sum(change.likes for change in changes), 0)
    row.plays += sum(change.plays for change in changes)
    likes = [(change.likes, change.at) for change in changes]
    row.heat = heat.changed(row.heat, row.published_at, likes)


def _renew_places(rows: list[Publication]) -> None:
    """Plays alone change no heat and write no place."""
    new = Publication.objects.filter(pk=OuterRef("publication")).values("heat")
    places = Listing.objects.filter(publication__in=rows).exclude(heat=Subquery(new))
    places.update(heat=Subquery(new))
