"""From runs in the admin to their songs and listeners: on a run's page, in the list, by search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from songs.event_songs import song_id_of, song_of, user_id_of
from songs.models import Song, User

Links = list[tuple[str, str]]
SEE_SONG, SEE_LISTENER = "songs.view_song", "songs.view_user"


def run_links(event_data: Any) -> list[tuple[str, str]]:
    """(label, url) pairs for the data of a run's event; empty for other events than a song's.

    The event of a failure, cancellation or retry holds the run's original event in its data.
    """
    data = order_of(event_data)
    song = song_of(data).only("title", "full_described_song").first()
    listener = User.objects.filter(pk=user_id_of(data) or 0).only("username").first()
    links = []
    if song is not None:
        links.append((f"Song “{song}”", reverse("admin:songs_song_change", args=[song.pk])))
    if listener is not None:
        address = reverse("admin:songs_user_change", args=[listener.pk])
        links.append((f"Listener {listener.get_username()}", address))
    return links


def order_of(event_data: Any) -> Any:
    """The data of the original event: that of a failure, cancellation or retry holds it."""
    told = event_data.get("event") if isinstance(event_data, dict) else None
    return told.get("data") if isinstance(told, dict) else event_data


def runs_about(user: User, events: Sequence[Any]) -> list[Links]:
    """For the data of each event its song and listener, as far as the account may see them; two
    queries for all of them."""
    orders = [order_of(data) for data in events]
    songs: dict[UUID, Song] = {}
    listeners: dict[int, str] = {}
    if user.has_perm(SEE_SONG):
        ids = {song_id for order in orders if (song_id := song_id_of(order))}
        songs = Song.objects.only("title", "full_described_song", "owner_id").in_bulk(ids)
    if user.has_perm(SEE_LISTENER):
        accounts = {user_id for order in orders if (user_id := user_id_of(order)) is not None}
        found = User.objects.filter(pk__in=[n for n in accounts if 0 < n < 2**63])
        listeners = dict(found.values_list("pk", "username"))
    return [_about(order, songs, listeners) for order in orders]


def _about(order: Any, songs: dict[UUID, Song], listeners: dict[int, str]) -> Links:
    song_id, user_id = song_id_of(order), user_id_of(order)
    links: Links = []
    song = songs.get(song_id) if song_id else None
    if song is not None and song.owner_id == user_id:
        links.append((str(song), reverse("admin:songs_song_change", args=[song.pk])))
    if user_id in listeners:
        links.append((listeners[user_id], reverse("admin:songs_user_change", args=[user_id])))
    return links


def run_search(user: User, text: str, most: int) -> list[UUID]:
    """The events of the newest songs with these words in their title or description, or of the
    listener with this name or e-mail address, as far as the account may see them."""
    wanted = Q()
    if user.has_perm(SEE_SONG):
        wanted |= Q(title__icontains=text) | Q(full_described_song__icontains=text)
    if user.has_perm(SEE_LISTENER):
        listener = Q(username__iexact=text) | Q(email__iexact=text)
        wanted |= Q(owner__in=User.objects.filter(listener))
    if not wanted:
        return []
    newest = Song.objects.order_by("-created_at").values("pk")[:MOST_SEARCHED]
    songs = Song.objects.filter(wanted, pk__in=newest, event_id__isnull=False)
    return [
        pk for pk in songs.order_by("-created_at").values_list("event_id", flat=True)[:most] if pk
    ]


MOST_SEARCHED = 50_000  # songs: words in the middle of a text are in no index
