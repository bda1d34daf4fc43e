"""The lists of public songs: all or those of a category, the most liked lately or the newest first.

A list is read from one index, a page at a time. A page begins after the last song of the page
before it, whose place is in the address: the page deep down costs what the first one does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, TextChoices

from songs.models import Category, Listing, Publication, Song

A_PAGE = 24
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PLACE = re.compile(r"(-?\d{1,18}(?:\.\d{1,18})?)_([0-9a-f]{32})")


class Order(TextChoices):
    LIKED = "liked", "Liked lately"
    NEWEST = "new", "Newest"

    @property
    def column(self) -> str:
        return "heat" if self == Order.LIKED else "published_at"


@dataclass(frozen=True)
class Page:
    """Songs of a list, and the place after which the next page begins; empty if there is none."""

    publications: Sequence[Publication]
    after: str


# --- places ---------------------------------------------------------------------------------------


def renew(publication: Publication) -> None:
    """Give the song its places if it is public, else take them away. The caller has locked the
    publication's row."""
    Listing.objects.filter(publication=publication).delete()
    if not publication.is_shown:
        return
    categories = publication.song.categories.values_list("pk", flat=True)
    Listing.objects.bulk_create(
        Listing(
            publication=publication,
            category_id=category,
            published_at=publication.published_at,
            heat=publication.heat,
        )
        for category in [None, *sorted(categories)]
    )


@transaction.atomic
def categories_changed(song: Song) -> None:
    """Renew the places of a song that was made again. The caller has locked the song's row."""
    row = Publication.objects.select_for_update(no_key=True).filter(song=song).first()
    if row is not None:
        renew(row)


# --- pages ----------------------------------------------------------------------------------------


def page(order: Order, category: Category | None = None, after: str = "") -> Page:
    """The page of a list after this place; an unreadable place means the beginning."""
    places = Listing.objects.filter(category=category).order_by(f"-{order.column}", "-publication")
    rows = places.filter(_behind(order, after)).values_list("publication", order.column)
    found = list(rows[: A_PAGE + 1])
    shown = found[:A_PAGE]
    more = len(found) > A_PAGE
    return Page(_public(pk for pk, _ in shown), _place(*shown[-1]) if more else "")


def hottest(number: int) -> list[Publication]:
    """The songs that were liked most lately."""
    places = Listing.objects.filter(category=None).order_by("-heat", "-publication")
    return _public(places.values_list("publication", flat=True)[:number])


def _public(ids: Any) -> list[Publication]:
    """The songs of the ids in their order. One that was withdrawn meanwhile, or whose listener's
    account was closed, is left out."""
    wanted = list(ids)
    public = Publication.objects.public().select_related("song")
    rows = public.prefetch_related("song__categories").in_bulk(wanted)
    return [rows[pk] for pk in wanted if pk in rows]


def _behind(order: Order, after: str) -> Q:
    read = PLACE.fullmatch(after)
    if not read:
        return Q()
    value, song = _value(order, read[1]), UUID(read[2])
    if value is None:
        return Q()
    # The first condition is what the index is entered by.
    same = Q(**{order.column: value}, publication__lt=song)
    return Q(**{f"{order.column}__lte": value}) & (Q(**{f"{order.column}__lt": value}) | same)


def _place(song: UUID, value: float | datetime) -> str:
    if isinstance(value, datetime):
        value = (value - EPOCH) // MICROSECOND
    return f"{value!r}_{song.hex}"


def _value(order: Order, text: str) -> float | datetime | None:
    number = float(text)
    if order == Order.LIKED:
        return number if isfinite(number) else None
    try:
        return EPOCH + int(number) * MICROSECOND
    except OverflowError:
        return None
