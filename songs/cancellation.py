"""A listener cancels a song that is in line or being made. It is not charged."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from jobs.api import InvalidTransition, UnknownRun, cancel, latest_runs
from songs import credits, generation
from songs.failure_messages import CANCELLED
from songs.models import Song, SongStatus

WHY = "The listener cancelled the song."


@transaction.atomic
def cancel_song(song: Song) -> bool:
    """End a song and its run, in one transaction. True if the song is cancelled, now or before;
    False if it has ended otherwise. Raises Song.DoesNotExist if it is deleted.

    The song is read under the locks under which `update_song` finishes and charges it, in the same
    order: listener, song, run. Either that has committed, and the song is ready, or its commit
    finds its run cancelled and is void.
    """
    credits.lock_owner(song)
    row = Song.objects.select_for_update().get(pk=song.pk, deleted_at=None)
    if not (row.is_in_the_making or generation.is_made_again(row)):
        return row.status == SongStatus.CANCELLED
    if not _cancel_run(row):
        return False
    row.status, row.reason, row.finished_at = SongStatus.CANCELLED, CANCELLED, Now()
    row.save(update_fields=["status", "reason", "finished_at"])
    return True


def _cancel_run(song: Song) -> bool:
    """False if the run has ended, so that its hook will say how. A run that is not known any more
    cannot make the song."""
    if song.event_id is None:
        return True
    run = latest_runs([song.event_id], fn_id=generation.FUNCTION).get(song.event_id)
    try:
        if run is not None:
            cancel(run.id, why=WHY)
    except InvalidTransition:
        return False
    except UnknownRun:  # retention has deleted it: there is nothing left to cancel
        pass
    return True
