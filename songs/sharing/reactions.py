"""Likes, plays and reports, as requests. Each change is a POST."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from songs.models import User
from songs.sharing import likes, plays, reports
from songs.sharing.forms import ReportForm
from songs.sharing.hearers import hearer_of
from songs.sharing.public import reactions_of, shown

THANKS = "Thank you. The operators of this site will listen to the song."
KNOWN = "The operators of this site know of this song already. Thank you."


@login_required
@require_POST
def like(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Like the song, or with `like=no` take that back. One's own song cannot be liked."""
    publication, user = shown(pk), cast(User, request.user)
    if request.POST.get("like") == "no":
        likes.take_back(publication, user)
    elif publication.song.owner_id != user.pk:
        likes.like(publication, user)
    if getattr(request, "htmx", False):
        context = {"publication": publication, **reactions_of(request, publication)}
        return render(request, "songs/sharing/_reactions.html", context)
    return to_song(pk)


@require_POST
def play(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Count a play (see plays.py). Plays of the song's own listener are not counted."""
    publication = shown(pk)
    if request.user.pk != publication.song.owner_id:
        plays.count_play(publication, hearer_of(request))
    return HttpResponse(status=204)


@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest, pk: UUID) -> HttpResponse:
    publication = shown(pk)
    form = ReportForm(request.POST if request.method == "POST" else None)
    status = 422 if form.is_bound else 200
    headers = {}
    if form.is_valid():
        reporter = request.user if request.user.is_authenticated else None
        hearer = hearer_of(request)
        try:
            is_new = reports.report(publication, hearer, reporter=reporter, **form.cleaned_data)
        except reports.TooManyReports as refusal:
            form.add_error(None, str(refusal))
            status, headers = 429, {"Retry-After": str(round(refusal.wait.total_seconds()) + 1)}
        else:
            messages.success(request, THANKS if is_new else KNOWN)
            return to_song(pk)
    context = {"publication": publication, "song": publication.song, "form": form}
    page = render(request, "songs/sharing/report.html", context, status=status)
    for name, value in headers.items():
        page[name] = value
    return page


def to_song(pk: UUID) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("public-song", args=[pk]), status=303)
