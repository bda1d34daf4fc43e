"""The vocabulary of the tests of what is shared."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F, Model

from songs.models import Category, Publication, Song, User
from songs.sharing import heat, listings, publishing
from tests.support.cast import a_song

WISH = "an elegy for my aunt Biscuit, quietly"
SECRET = "Biscuit"  # a word of the wish that no title has


def a_song_with_files(owner: User, **changes: Any) -> Song:
    song = a_song(owner, WISH, **{"title": "Elegy", **changes})
    default_storage.save(song.s3_key, ContentFile(b"sound " * 1000))
    default_storage.save(song.thumbnail_s3_key, ContentFile(b"a picture"))
    return song


def in_categories(song: Song, *names: str) -> Song:
    for name in names:
        row, _ = Category.objects.get_or_create(folded=name.casefold(), defaults={"name": name})
        song.categories.add(row)
    return song


def public(owner: User, *categories: str, title: str = "Elegy", **changes: Any) -> Publication:
    """A song that its listener has published."""
    song = in_categories(a_song_with_files(owner, title=title, **changes), *categories)
    return publishing.publish(song, title=title, byline="Alma")


def publish_earlier(publication: Publication, by: timedelta) -> None:
    """Let the publication be older."""
    row = Publication.objects.get(pk=publication.pk)
    row.published_at -= by
    row.heat = heat.at(row.published_at)
    row.save(update_fields=["published_at", "heat"])
    listings.renew(row)


def back(row: Model, by: timedelta) -> None:
    """Let something that has happened be older."""
    type(row)._default_manager.filter(pk=row.pk).update(at=F("at") - by)
