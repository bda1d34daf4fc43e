"""Delete a song's row, and the files that no other song names. The ledger entries stay.

A finished song was charged in the commit that finished it. A song that an earlier version of the
site made may not have been, and is charged when it is deleted.
"""

from __future__ import annotations

import logging

from django.db import transaction

from songs import credits, generation
from songs.files import remove_unnamed
from songs.models import Song

logger = logging.getLogger(__name__)


@transaction.atomic
def delete_song(song: Song) -> bool:
    """Delete a song and, after the commit, its files.

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
    keys = [key for key in (row.s3_key, row.thumbnail_s3_key) if key]
    Song.objects.filter(pk=row.pk).delete()
    transaction.on_commit(lambda: delete_files(keys))
    return True


def delete_files(keys: list[str]) -> None:
    """Remove those of the files that no song names: a deleted song's, or those of a dropped reply.

    A failure is logged and not raised: the deletion has been committed.
    """
    try:
        remove_unnamed(keys)
    except Exception:
        logger.exception("The files %s of a deleted song could not be removed", ", ".join(keys))
