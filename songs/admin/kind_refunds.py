"""On a kind of failures: give one credit to each of its listeners (`JOBS["KIND_ACTS"]`).

The form leads to the confirmation of the songs' list, which says for which songs, and asks why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from songs import permissions
from songs.admin.many_refunds import MAX_SONGS, Chosen
from songs.event_songs import song_id_of, user_id_of
from songs.links import order_of
from songs.models import Song, User


def refunds(request: HttpRequest, events: Sequence[Any]) -> SafeString:
    """Empty if the account may not give credits back, or no listener is without one."""
    if not (request.user.has_perm(permissions.GRANT) and permissions.may_see_songs(request.user)):
        return SafeString("")
    orders = [order_of(data) for data in events]
    owners = {song_id_of(order): user_id_of(order) for order in orders}
    songs = Song.objects.filter(pk__in=[pk for pk in owners if pk]).select_related("owner")
    given = [song for song in songs.order_by("-id")[:MAX_SONGS] if song.owner_id == owners[song.pk]]
    chosen = Chosen.of(given, cast(User, request.user))
    if not chosen.songs:
        return SafeString("")
    context = {"chosen": chosen, "checkbox": ACTION_CHECKBOX_NAME}
    return render_to_string("admin/songs/kind_refunds.html", context, request)
