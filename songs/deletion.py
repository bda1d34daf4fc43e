"""Delete a song: its row, its words, and the files that no other song names. The ledger stays.

A finished song was charged in the commit that finished it. A song that an earlier version of the
site made may not have been, and is charged when it is deleted.
"""

from __future__ import annotations

from django.db import transaction

from songs import credits, generation, remains
from songs.models import Song


@transaction.atomic
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
