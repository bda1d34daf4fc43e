"""Deleting a song: the row, and the files that only it had. Its ledger entries stay. A song that is
there was charged with the same commit, or, if an earlier version made it, is charged now."""

from __future__ import annotations

import logging

from django.db import transaction

from songs import credits, generation
from songs.files import remove_unnamed
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


def delete_files(keys: list[str]) -> None:
    """Remove those of these files that no song has: of songs that are gone, or of a reply that
    becomes no song. What cannot be removed is an error in the log and no error for the caller."""
    try:
        remove_unnamed(keys)
    except Exception:
        logger.exception("The files %s of a deleted song could not be removed", ", ".join(keys))
