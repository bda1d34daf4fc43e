"""Deleting a song: the row, and the files that only it had. Its ledger entries stay."""

from __future__ import annotations

import logging

from django.db import transaction

from songs.files import remove_unnamed
from songs.models import Song

logger = logging.getLogger(__name__)


def delete_song(song: Song) -> None:
    """Within a transaction: the files go once it has committed, so a rollback loses nothing."""
    keys = [key for key in (song.s3_key, song.thumbnail_s3_key) if key]
    Song.objects.filter(pk=song.pk).delete()
    transaction.on_commit(lambda: delete_files(keys))


def delete_files(keys: list[str]) -> None:
    """Remove the files that no song has any more. The rows are gone already, so what cannot be
    removed is an error in the log and no error for the caller."""
    try:
        remove_unnamed(keys)
    except Exception:
        logger.exception("The files %s of a deleted song could not be removed", ", ".join(keys))
