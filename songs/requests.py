"""What the views of listeners share: whose request it is, and which songs it may name."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.api import FORM_TOKEN
from songs.models import Song, SongQuerySet, User


class ListenerRequest(HttpRequest):
    """A request of a signed-in account."""

    user: User


def mine(request: ListenerRequest) -> SongQuerySet:
    if not request.user.is_authenticated:
        raise Http404("Sign in to see your songs.")
    return Song.objects.owned_by(request.user)


def own(request: ListenerRequest, pk: UUID) -> Song:
    return get_object_or_404(mine(request), pk=pk)


def token_of(request: HttpRequest) -> str:
    """The token that the form sent, not validated yet (see jobs/control/form_submissions.py)."""
    return request.POST.get(FORM_TOKEN, "")


def see_other(song: Song) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("song", args=[song.pk]), status=303)
