"""What a listener does to one song: cancel it, delete it, undo that."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from songs import deletion
from songs.cancellation import cancel_song
from songs.models import Song
from songs.requests import ListenerRequest, own, see_other

MAKING = "This song is still being made. Cancel it first, or delete it afterwards."
TOO_LATE = "This song had ended before it could be cancelled."
GONE = (
    "There is no such song to bring back. A song that is deleted is gone for good after a minute."
)


@login_required
@require_POST
def cancel(request: ListenerRequest, pk: UUID) -> HttpResponse:
    song = own(request, pk)
    try:
        is_cancelled = cancel_song(song)
    except Song.DoesNotExist as gone:
        raise Http404("The song was deleted.") from gone
    if is_cancelled:
        messages.success(request, f"“{song}” is cancelled. It cost you nothing.")
    else:
        messages.info(request, TOO_LATE)
    return see_other(song)


@login_required
@require_POST
def delete(request: ListenerRequest, pk: UUID) -> HttpResponse:
    """The library shows the deleted song with a button that undoes it."""
    song = own(request, pk)
    try:
        is_deleted = deletion.put_away(song)
    except Song.DoesNotExist as gone:
        raise Http404("The song was already deleted.") from gone
    if not is_deleted:
        messages.error(request, MAKING)
        return see_other(song)
    return HttpResponseRedirect(reverse("songs"), status=303)


@login_required
@require_POST
def undo(request: ListenerRequest, pk: UUID) -> HttpResponse:
    song, was_deleted = deletion.undo(request.user, pk)
    if song is None:
        messages.error(request, GONE)
        return HttpResponseRedirect(reverse("songs"), status=303)
    if was_deleted:
        messages.success(request, f"“{song}” is back.")
    else:
        messages.info(request, f"“{song}” is not deleted, so there is nothing to undo.")
    return see_other(song)
