"""Find the song of an event.

An operator may have edited the event's data, so they are validated. A song counts only if it
belongs to the user that the event names.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from songs.models import Song, SongQuerySet


def data_of(song: Song) -> dict[str, Any]:
    """What an event about a song names it by."""
    return {"songId": str(song.pk), "userId": song.owner_id}


def song_of(data: Any) -> SongQuerySet:
    """The song of {"songId", "userId"}: one row, or none if the user has no such song."""
    song_id, user_id = song_id_of(data), user_id_of(data)
    if song_id is None or user_id is None:
        return Song.objects.none()
    return Song.objects.filter(id=song_id, owner_id=user_id)


def song_id_of(data: Any) -> UUID | None:
    given = data.get("songId") if isinstance(data, dict) else None
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None


def user_id_of(data: Any) -> int | None:
    given = data.get("userId") if isinstance(data, dict) else None
    return given if type(given) is int else None
