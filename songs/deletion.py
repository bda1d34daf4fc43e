"""Deleting a song: the row, and the files that only it had. Its ledger entries stay. A song that is
there was charged with the same commit, or, if an earlier version made it, is charged now."""

from __future__ import annotations

import logging

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from songs import credits, generation
from songs.models import Song

logger = logging.getLogger(__name__)


@transaction.atomic
def delete_song(song: Song) -> bool:
    """Delete a song and, once that has committed, its files. False, and nothing is deleted, if the
    song is being made; raises Song.DoesNotExist if it is gone.

    Under the lock of its listener, then its own: what has become of it meanwhile counts.
    """
    credits.lock_owner(song)
    row = Song.objects.select_for_update().get(pk=song.pk)
    if row.is_in_the_making or generation.is_made_again(row):
        return False
    if row.is_processed and row.event_id is not None:
        credits.charge(row)
    keys = [key for key in (row.s3_key, row.thumbnail_s3_key) if key]
    Song.objects.filter(pk=row.pk).delete()
    transaction.on_commit(lambda: delete_files(keys))
    return True


def discard(keys: list[str]) -> None:
    """Delete the files of a reply that becomes no song, now; not those that a song has."""
    for key in keys:
        if not Song.objects.filter(Q(s3_key=key) | Q(thumbnail_s3_key=key)).exists():
            delete_files([key])


def delete_files(keys: list[str]) -> None:
    for key in keys:
        try:
            default_storage.delete(key)
        except Exception:  # any storage's error: the row is gone, so the key must be in the log
            logger.exception("The file %s of a deleted song could not be removed", key)
