"""A listener likes a song once, and may take that back. The counts follow in the same transaction,
by a row of their own each (see models/reactions.py)."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from songs.models import CountChange, Like, Publication, User


@transaction.atomic
def like(publication: Publication, user: User) -> None:
    """Like the song. A second like, also one at the same moment, changes nothing."""
    made, is_new = Like.objects.get_or_create(publication=publication, user=user)
    if is_new:
        made.refresh_from_db(fields=["at"])
        CountChange.objects.create(song_id=publication.pk, likes=1, at=made.at)


@transaction.atomic
def take_back(publication: Publication, user: User) -> None:
    """Take the like back, if there is one. Of two requests the second waits and finds none."""
    rows = Like.objects.filter(publication=publication, user=user)
    given = rows.select_for_update().first()
    if given is not None:
        given.delete()
        CountChange.objects.create(song_id=publication.pk, likes=-1, at=given.at)


def take_back_all(user: User) -> None:
    """Take back all likes of a listener that leaves, in the caller's transaction."""
    given = list(Like.objects.filter(user=user).select_for_update().order_by("id"))
    Like.objects.filter(pk__in=[row.pk for row in given]).delete()
    CountChange.objects.bulk_create(
        CountChange(song_id=row.publication_id, likes=-1, at=row.at) for row in given
    )


def take_back_before_deletion(sender: type[User], instance: User, **kwargs: Any) -> None:
    """Receive `pre_delete` for an account: its likes go with it, and so must their counts."""
    take_back_all(instance)


def has_liked(publication: Publication, user: User) -> bool:
    return Like.objects.filter(publication=publication, user=user).exists()
