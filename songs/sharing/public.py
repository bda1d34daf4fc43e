"""The page of a public song, and its files, for strangers and listeners alike.

A song that is not public is a 404 here, also for its listener, whose page of it is another one.
"""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from songs.limits import limited
from songs.models import Publication
from songs.sharing import likes
from songs.sharing.counts import counts_of
from songs.storage import send_file


def shown(pk: UUID) -> Publication:
    """The public song, with its listener; Http404 if there is none of this id."""
    rows = Publication.objects.public().select_related("song__owner")
    return get_object_or_404(rows, pk=pk)


@require_safe
def song(request: HttpRequest, pk: UUID) -> HttpResponse:
    return song_page(request, shown(pk))


def song_page(request: HttpRequest, publication: Publication) -> HttpResponse:
    def absolute(name: str) -> str:
        return request.build_absolute_uri(reverse(name, args=[publication.pk]))

    context = {
        "publication": publication,
        "song": publication.song,
        "categories": list(publication.song.categories.all()),
        "address": absolute("public-song"),
        "audio_address": absolute("public-audio"),
        "cover_address": absolute("public-cover") if publication.song.thumbnail_s3_key else "",
        **reactions_of(request, publication),
    }
    return render(request, "songs/sharing/song.html", context)


def reactions_of(request: HttpRequest, publication: Publication) -> dict[str, object]:
    """What the row with the heart shows."""
    user = request.user
    return {
        "counts": counts_of([publication])[publication.pk],
        "is_own": user.pk == publication.song.owner_id,
        "has_liked": user.is_authenticated and likes.has_liked(publication, user),
    }


@require_safe
@limited("downloads")
def audio(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    return _file(request, shown(pk), "s3_key")


@require_safe
@limited("downloads")
def cover(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    return _file(request, shown(pk), "thumbnail_s3_key")


def _file(request: HttpRequest, publication: Publication, field: str) -> HttpResponseBase:
    key = getattr(publication.song, field)
    if not key:
        raise Http404("There is no such file.")
    return send_file(request, key, title=publication.title, download=False)
