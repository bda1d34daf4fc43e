"""Deleting a song: the row, and the files that only it had. Its ledger entries stay."""

from __future__ import annotations

import logging

from django.core.files.storage import default_storage
from django.db import transaction

from songs.models import Song

logger = logging.getLogger(__name__)


def delete_song(song: Song) -> None:
    """Within a transaction: the files go once it has committed, so a rollback loses nothing."""
    keys = [key for key in (song.s3_key, song.thumbnail_s3_key) if key]
    Song.objects.filter(pk=song.pk).delete()
    transaction.on_commit(lambda: delete_files(keys))


def delete_files(keys: list[str]) -> None:
    for key in keys:
        try:
            default_storage.delete(key)
        except Exception:  # any storage's error: the row is gone, so the key must be in the log
            logger.exception("The file %s of a deleted song could not be removed", key)
