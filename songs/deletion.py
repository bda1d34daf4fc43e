"""Delete a song: its row, its words, and the files that no other song names. The ledger stays.

A listener's deletion can be undone for a minute: the song is put away, and a run deletes it for
good (functions.py). An operator's deletion is for good at once.

A finished song was charged in the commit that finished it. A song that an earlier version of the
site made may not have been, and is charged when it is deleted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now

from jobs.api import Event, RetryAfterError, send
from songs import credits, generation, remains
from songs.event_songs import data_of
from songs.models import Song, SongQuerySet, User
from songs.sharing import publishing

UNDO = timedelta(minutes=1)
EVENT = "songs/song.deleted"


class Undone(NamedTuple):
    song: Song | None  # None: it is gone for good, or never was the listener's
    was_deleted: bool


@transaction.atomic
def put_away(song: Song) -> bool:
    """Take a song out of its listener's sight, and send the event whose run deletes it for good.

    Returns False and does nothing if the song is being made. Raises Song.DoesNotExist if the song
    is deleted already.
    """
    credits.lock_owner(song)
    row = Song.objects.select_for_update().get(pk=song.pk)
    if row.is_in_the_making or generation.is_made_again(row):
        return False
    if row.deleted_at is None:
        publishing.withdraw(row)  # to undo the deletion does not publish it again
        # Another try at the same wish may take its form's token (generation.try_again).
        Song.objects.filter(pk=row.pk).update(deleted_at=Now(), form_token=uuid4())
        row.refresh_from_db(fields=["deleted_at"])  # the time is the database's
        send(Event(name=EVENT, data=data_of(row) | {"deletedAt": stamp(row)}))
    return True


def stamp(song: Song) -> str:
    """Which of the song's deletions this is: a run of an earlier one, which was undone, deletes
    nothing."""
    return song.deleted_at.isoformat() if song.deleted_at else ""


@transaction.atomic
def undo(user: User, pk: UUID) -> Undone:
    """Bring back a song that the listener has deleted."""
    credits.lock(user)
    song = Song.objects.select_for_update().filter(pk=pk, owner=user).first()
    was_deleted = song is not None and song.deleted_at is not None
    if song is not None and was_deleted:
        song.deleted_at = None
        song.save(update_fields=["deleted_at"])
    return Undone(song, was_deleted)


def can_be_undone(user: User) -> SongQuerySet:
    """The songs that the listener has deleted within the last minute, the latest first."""
    recent = Song.objects.filter(owner=user, deleted_at__gt=Now() - UNDO)
    return recent.order_by("-deleted_at")


def delete_for_good(song: SongQuerySet, deletion: Any) -> dict[str, bool]:
    """The end of a deletion, in the transaction of a step. Raises RetryAfterError if an operator
    has the song made again."""
    row = song.first()
    if row is None or not row.deleted_at or stamp(row) != deletion:
        return {"deleted": False}
    if not delete_song(row):
        raise RetryAfterError("The song is being made again; it is deleted afterwards.", UNDO)
    return {"deleted": True}


@transaction.atomic(savepoint=False)  # a step already has a transaction
def delete_song(song: Song) -> bool:
    """Delete a song. Its files and words follow after the commit (see remains.py).

    Returns False and deletes nothing if the song is being made. Raises Song.DoesNotExist if the
    song is already deleted. The song is read again under the locks of its listener and of itself,
    because a run may have changed it since the caller read it.
    """
    credits.lock_owner(song)
    row = Song.objects.select_for_update().get(pk=song.pk)
    if row.is_in_the_making or generation.is_made_again(row):
        return False
    if row.is_processed and row.event_id is not None:
        credits.charge(row)
    credits.forget_title(row)
    remains.leave([row])
    Song.objects.filter(pk=row.pk).delete()
    return True
