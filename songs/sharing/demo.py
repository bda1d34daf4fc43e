"""The demo's songs: three that the landing page of a development machine plays.

They are ordered and made as every song is, by an account without a password, and are
published when they are ready (`publish_ready`, which `manage.py up` calls until all are).
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import uuid4

from django.db import transaction

from songs import credits
from songs.generation import order_one
from songs.models import EntryKind, Song, User
from songs.sharing.chores import count_categories
from songs.sharing.publishing import CannotPublish, publish

HOUSE_BAND = "house-band"


class DemoSong(NamedTuple):
    title: str
    description: str
    duration: float  # seconds
    seed: int


SONGS = [
    DemoSong("Rain on the Skylight", "warm lo-fi beat for a rainy evening, soft piano", 45.0, 11),
    DemoSong("Coast Road", "sunny acoustic guitar for a road trip, light drums", 45.0, 23),
    DemoSong("Neon Parade", "80s synth pop with a catchy chorus at 118 bpm", 45.0, 5),
]


@transaction.atomic
def order_songs() -> bool:
    """Order the songs for a new account, with credits for them. An account that exists is left as
    it is."""
    if User.objects.filter(username=HOUSE_BAND).exists():
        return False
    band = User.objects.create_user(HOUSE_BAND, email="", password=None)
    credits.grant(band, len(SONGS), why="For the demo's songs", kind=EntryKind.WELCOME)
    for song in SONGS:
        made = order_one(
            band,
            full_described_song=song.description,
            guidance_scale=15.0,
            audio_duration=song.duration,
            instrumental=False,
            form_token=uuid4(),
            seed=song.seed,
        )
        Song.objects.filter(pk=made.pk).update(title=song.title)
    return True


def publish_ready() -> bool:
    """Publish those that are finished and never were public. True if none is still to come."""
    songs = Song.objects.filter(owner__username=HOUSE_BAND)
    for song in songs.processed().filter(publication=None):
        try:
            publish(song, title=song.title, byline="The House Band")
        except (CannotPublish, Song.DoesNotExist):
            continue  # deleted in this moment
    is_done = not songs.in_the_making().exists()
    if is_done:
        count_categories()
    return is_done
