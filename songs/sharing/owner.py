"""Publishing and withdrawing by a song's own listener. Another listener's song is a 404."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from songs.models import Publication, Song, User
from songs.sharing import publishing
from songs.sharing.counts import counts_of
from songs.sharing.forms import PublishForm, publish_form


def share_context(request: HttpRequest, song: Song) -> dict[str, Any]:
    """What the section “Share” of the song's own page shows."""
    publication = Publication.objects.filter(song=song).first()
    shown = publication if publication is not None and publication.is_shown else None
    address = reverse("public-song", args=[song.pk])
    return {
        "publication": publication,
        "publish_form": publish_form(song, cast(User, request.user), publication),
        "public_address": request.build_absolute_uri(address) if shown else "",
        "counts": counts_of([shown])[shown.pk] if shown else None,
    }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: HttpRequest, pk: UUID) -> HttpResponse:
    """GET is a page with the form alone, to which a refused form comes back."""
    song = own(request, pk)
    form = PublishForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid() and published(request, song, form):
        return to_song(song)
    context = {**share_context(request, song), "song": song}
    if form is not None:
        context["publish_form"] = form
    status = 422 if form is not None else 200
    return render(request, "songs/sharing/publish.html", context, status=status)


def published(request: HttpRequest, song: Song, form: PublishForm) -> bool:
    try:
        publishing.publish(song, **form.cleaned_data)
    except publishing.CannotPublish as refusal:
        form.add_error(None, str(refusal))
        return False
    messages.success(request, "Your song is public.")
    return True


@login_required
@require_POST
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    song = own(request, pk)
    publishing.withdraw(song)
    messages.success(request, "Your song is private again.")
    return to_song(song)


def own(request: HttpRequest, pk: UUID) -> Song:
    mine = Song.objects.owned_by(cast(User, request.user))
    return get_object_or_404(mine, pk=pk)


def to_song(song: Song) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("song", args=[song.pk]), status=303)
