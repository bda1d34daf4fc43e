"""Links from a run's page in the admin to the run's song and listener."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from songs.event_songs import song_of, user_id_of
from songs.models import User


def run_links(event_data: Any) -> list[tuple[str, str]]:
    """(label, url) pairs for the data of a run's event; empty for other events than a song's.

    The event of a failure, cancellation or retry holds the run's original event in its data.
    """
    told = event_data.get("event") if isinstance(event_data, dict) else None
    data = told.get("data") if isinstance(told, dict) else event_data
    song = song_of(data).only("title", "full_described_song").first()
    listener = User.objects.filter(pk=user_id_of(data) or 0).only("username").first()
    links = []
    if song is not None:
        links.append((f"Song “{song}”", reverse("admin:songs_song_change", args=[song.pk])))
    if listener is not None:
        address = reverse("admin:songs_user_change", args=[listener.pk])
        links.append((f"Listener {listener.get_username()}", address))
    return links
