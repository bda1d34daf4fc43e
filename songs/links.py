"""From runs in the admin to their songs and listeners: on a run's page, in the list, by search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.urls import reverse

from songs import permissions, search
from songs.event_songs import song_id_of, user_id_of
from songs.models import Song, User

Links = list[tuple[str, str]]
PAYLOAD = "jobs.view_payload"


def order_of(event_data: Any) -> Any:
    """The data of the original event: that of a failure, cancellation or retry holds it."""
    told = event_data.get("event") if isinstance(event_data, dict) else None
    return told.get("data") if isinstance(told, dict) else event_data


def runs_about(user: User, events: Sequence[Any]) -> list[Links]:
    """For the data of each event its song and listener: at most two queries for all of them.

    An account that may see payloads reads the names. Those that it may open are links.
    """
    orders = [order_of(data) for data in events]
    sees_songs, sees_listeners = permissions.may_see_songs(user), permissions.may_see_accounts(user)
    sees_payload = user.has_perm(PAYLOAD)
    songs: dict[UUID, Song] = {}
    listeners: dict[int, str] = {}
    if sees_songs or sees_payload:
        ids = {song_id for order in orders if (song_id := song_id_of(order))}
        named = ("title", "full_described_song", "owner_id", "owner__username")
        songs = Song.objects.select_related("owner").only(*named).in_bulk(ids)
    if sees_listeners or sees_payload:
        accounts = {user_id for order in orders if (user_id := user_id_of(order)) is not None}
        listeners = _names(accounts, songs)
    opens = sees_songs, sees_listeners
    return [_about(order, songs, listeners, opens) for order in orders]


def _names(accounts: set[int], songs: dict[UUID, Song]) -> dict[int, str]:
    """The listeners' names; those of the songs' owners are known already."""
    known = {song.owner_id: song.owner.username for song in songs.values()}
    missing = [pk for pk in accounts - known.keys() if 0 < pk < 2**63]
    return known | dict(User.objects.filter(pk__in=missing).values_list("pk", "username"))


def _about(
    order: Any, songs: dict[UUID, Song], listeners: dict[int, str], opens: tuple[bool, bool]
) -> Links:
    song_id, user_id = song_id_of(order), user_id_of(order)
    links: Links = []
    song = songs.get(song_id) if song_id else None
    if song is not None and song.owner_id == user_id:
        url = reverse("admin:songs_song_change", args=[song.pk]) if opens[0] else ""
        links.append((str(song), url))
    if user_id in listeners:
        url = reverse("admin:songs_user_change", args=[user_id]) if opens[1] else ""
        links.append((listeners[user_id], url))
    return links


def run_search(user: User, text: str, most: int) -> list[UUID]:
    """The events of songs with these words in their title, or of the listeners whose name or e-mail
    address begins so, if the account may see payloads (and, for the address, listeners). All songs
    are searched, by indexes."""
    term = search.cleaned(text)
    if not term or not user.has_perm(PAYLOAD):
        return []
    if "@" in term and not permissions.may_see_accounts(user):
        return []
    songs = search.songs(Song.objects.filter(event_id__isnull=False), term)
    return [pk for pk in songs.order_by("-pk").values_list("event_id", flat=True)[:most] if pk]
