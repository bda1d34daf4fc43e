"""Which song a file belongs to: the song's row names the file's key, and no two songs share a file.

1. A transaction locks the key before a row begins to name it, and before the file is removed.
   Otherwise a file could be removed just as a song begins to name it.
2. The lock lasts until the transaction ends. Of two songs that name one file at the same moment,
   the second waits, sees the first and is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q

from jobs.api import FetchCode, NonRetriableError
from songs.models import Song, SongQuerySet
from songs.music import Music

logger = logging.getLogger(__name__)

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('songs.files:' || %s, 0))"


def refuse_those_of_others(song: Song, made: Music) -> None:
    """Raise NonRetriableError if the reply names a file of another song.

    Call this in the transaction in which the song begins to name the files: the keys stay locked
    until that ends.
    """
    for key in _locked([made.audio_key, made.cover_key]):
        if naming(key).exclude(pk=song.pk).exists():
            raise NonRetriableError(
                f"The reply names the file {key}, which belongs to another song; every song needs "
                "files of its own.",
                code=FetchCode.UNUSABLE,
            )


def remove_unnamed(keys: Iterable[str]) -> int:
    """Remove those of the files that no song names, each in a transaction of its own; returns how
    many. It goes through all of them, and then raises the first error of the store."""
    removed, problems = 0, []
    for key in sorted({key for key in keys if key}):
        try:
            removed += _remove_unnamed(key)
        except Exception as problem:  # of any storage
            logger.warning("The file %r, which no song names, could not be removed.", key)
            problems.append(problem)
    if problems:
        raise problems[0]
    return removed


@transaction.atomic
def _remove_unnamed(key: str) -> bool:
    _locked([key])
    if naming(key).exists():
        return False
    try:
        default_storage.delete(key)
    except SuspiciousFileOperation:  # no key of this store
        logger.exception("The key %r lies outside the store", key)
        return False
    return True


def naming(key: str) -> SongQuerySet:
    """The songs that name this file as their audio or their cover."""
    return Song.objects.filter(Q(s3_key=key) | Q(thumbnail_s3_key=key))


def _locked(keys: Iterable[str]) -> list[str]:
    """Lock the keys, sorted: two transactions that lock the same keys in another order deadlock."""
    wanted = sorted({key for key in keys if key})
    with connection.cursor() as cursor:
        for key in wanted:
            cursor.execute(LOCK, [key])
    return wanted
