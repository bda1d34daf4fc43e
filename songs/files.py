"""Whose a file is: a song's row names it by its key, and no file is two songs'.

A key's lock, which lasts until the transaction ends, is taken before any row begins to name the
key and before its file is removed. So a file is never removed while a song is about to name it,
and of two songs that name one file at the same moment the second one sees the first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q

from jobs.api import NonRetriableError
from songs.models import Song, SongQuerySet
from songs.music import Music

logger = logging.getLogger(__name__)

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('songs.files:' || %s, 0))"


def refuse_those_of_others(song: Song, made: Music) -> None:
    """Raise NonRetriableError if the reply for this song names a file that another song has.

    In the transaction in which the song is to name the files; they are its own until that ends.
    """
    for key in _locked([made.audio_key, made.cover_key]):
        if naming(key).exclude(pk=song.pk).exists():
            raise NonRetriableError(
                f"The reply names the file {key}, which is another song's; every song needs files "
                "of its own."
            )


def remove_unnamed(keys: Iterable[str]) -> None:
    """Remove the files that no song names any more; in a transaction of its own."""
    with transaction.atomic():
        for key in _locked(keys):
            if not naming(key).exists():
                _remove(key)


def naming(key: str) -> SongQuerySet:
    """The songs that have this file, as audio or as cover."""
    return Song.objects.filter(Q(s3_key=key) | Q(thumbnail_s3_key=key))


def _locked(keys: Iterable[str]) -> list[str]:
    """Each key once, in one order for everybody: two transactions would otherwise wait for each
    other."""
    wanted = sorted({key for key in keys if key})
    with connection.cursor() as cursor:
        for key in wanted:
            cursor.execute(LOCK, [key])
    return wanted


def _remove(key: str) -> None:
    try:
        default_storage.delete(key)
    except Exception:  # any storage's error: no row has the key, so the log must have it
        logger.exception("The file %s, which no song names any more, could not be removed", key)
