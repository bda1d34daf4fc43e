"""Publish a song and withdraw it, as its listener; take it down and put it back, as an operator.

Each locks the song's row in the table of publications and sees it as it is now. Lock order: the
song's row, its publication, its places in the lists.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from jobs.api import excerpt
from songs.models import BYLINE_LIMIT, TAKE_DOWN_LIMIT, Publication, Report, Song, User
from songs.sharing import heat, listings


class CannotPublish(Exception):
    """The song cannot be published. The message is for its listener."""


class TakenDown(CannotPublish):
    """An operator has taken the song down."""

    def __init__(self) -> None:
        super().__init__(
            "The operators of this site have taken this song down. It cannot be published again."
        )


class NewReports(Exception):
    """Another report has come since the operator looked at them."""

    def __init__(self) -> None:
        super().__init__(
            "Another report has come since this form was opened. No report was dismissed: read "
            "that one on the song's page, and dismiss them all if they are still to be dismissed."
        )


@transaction.atomic
def publish(song: Song, *, title: str, byline: str) -> Publication:
    """Make the song public under this title and name; a public song gets both anew.

    Raises CannotPublish if the song is not finished, TakenDown if an operator has taken it down.
    """
    row = Song.objects.select_for_update(no_key=True).get(pk=song.pk)
    if not row.is_processed or row.deleted_at is not None:
        raise CannotPublish("Only a finished song can be published.")
    now = timezone.now()
    first = {"is_public": False, "published_at": now, "heat": heat.at(now)}
    Publication.objects.get_or_create(song=row, defaults=first)
    publication = locked(row.pk)
    if publication.is_taken_down:
        raise TakenDown
    if row.title != title:
        row.title = title
        row.save(update_fields=["title"])
    publication.byline, publication.is_public = excerpt(byline, BYLINE_LIMIT), True
    _save(publication)
    return publication


@transaction.atomic
def withdraw(song: Song) -> None:
    """Make the song private again. Its likes and its first date are kept."""
    publication = Publication.objects.select_for_update(no_key=True).filter(song=song).first()
    if publication is not None and publication.is_public:
        publication.is_public = False
        _save(publication)


@transaction.atomic
def take_down(publication: Publication, *, why: str, by: User) -> bool:
    """Hide the song from all but its listener, and close its reports. False if it is taken down
    already."""
    row = locked(publication.pk)
    if row.is_taken_down:
        return False
    row.taken_down_at, row.taken_down_by = timezone.now(), by
    row.taken_down_why = excerpt(why, TAKE_DOWN_LIMIT)
    _save(row)
    _close_reports(row)
    return True


@transaction.atomic
def put_back(publication: Publication) -> bool:
    """Undo a take-down: the song is public again, unless its listener has withdrawn it. False if it
    is not taken down."""
    row = locked(publication.pk)
    if not row.is_taken_down:
        return False
    row.taken_down_at, row.taken_down_by, row.taken_down_why = None, None, ""
    _save(row)
    return True


@transaction.atomic
def dismiss_reports(publication: Publication, seen: int | None = None) -> int:
    """Close the reports and leave the song where it is; returns how many there were.

    `seen` is the newest report that the operator was told of. Raises NewReports if there is a newer
    one; not without `seen`.
    """
    row = locked(publication.pk)
    newest = newest_report(row)
    if None not in (seen, newest) and newest != seen:
        raise NewReports
    return _close_reports(row)


def newest_report(publication: Publication) -> int | None:
    """The id of the newest open report."""
    found = Report.objects.filter(publication=publication, dealt_at=None).order_by("-id")
    return found.values_list("id", flat=True).first()


def locked(pk: UUID) -> Publication:
    """The publication, locked until the transaction ends. Raises Publication.DoesNotExist."""
    rows = Publication.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("song").get(pk=pk)


def lock_before_deletion(sender: type[Publication], instance: Publication, **kwargs: Any) -> None:
    """Receive `pre_delete`. A deletion begins with the places in the lists, and would otherwise
    lock them before the row that the tally locks first."""
    Publication.objects.select_for_update().filter(pk=instance.pk).first()


def _save(publication: Publication) -> None:
    publication.save(
        update_fields=["byline", "is_public", "taken_down_at", "taken_down_by", "taken_down_why"]
    )
    listings.renew(publication)


def _close_reports(publication: Publication) -> int:
    open_ones = Report.objects.filter(publication=publication, dealt_at=None)
    closed = open_ones.update(dealt_at=timezone.now())
    Publication.objects.filter(pk=publication.pk).update(reported_at=None)
    return closed
