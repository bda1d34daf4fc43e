"""What an operator does about one song: have it made again, give its credit back, delete it.

Each is a page that says what will happen, and a form that acts once (see jobs.api.once).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from jobs.api import FORM_TOKEN, StaleForm, once
from songs import credits, generation, permissions
from songs.admin.song_rows import rows
from songs.deletion import delete_song
from songs.forms import RefundForm
from songs.models import IN_THE_MAKING, Song, User

View = Callable[..., HttpResponse]
MAKING = "“{}” is being made. Wait until that has ended."


def asked(request: HttpRequest, pk: UUID, *any_of: str) -> Song:
    """The song, if this account has one of the permissions, or PermissionDenied. An account
    without them is not told which songs there are."""
    if not any(request.user.has_perm(name) for name in any_of):
        raise PermissionDenied
    song = Song.objects.select_related("owner").filter(pk=pk).first()
    if song is None:
        raise Http404(f"There is no song {pk}.")
    return song


def asked_for_owner(request: HttpRequest, pk: UUID, permission: str) -> Song:
    """The song, if this account may do that for the song's listener."""
    song = asked(request, pk, permission)
    if not request.user.has_perm(permission, song.owner):
        raise PermissionDenied
    return song


# --- make again -----------------------------------------------------------------------------------


def again_view(model_admin: Any) -> View:
    """GET says what it will cost; POST orders the song again, as the listener's own button does."""

    def view(request: HttpRequest, pk: UUID) -> HttpResponse:
        song = asked_for_owner(request, pk, permissions.MAKE_AGAIN)
        form = forms.Form(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            made = make_again(model_admin, request, song, form)
            if made is not None:
                return HttpResponseRedirect(page_of(model_admin, request, made))
        return page(model_admin, request, song, form, "again", "Make again")

    return require_http_methods(["GET", "POST"])(view)


def make_again(model_admin: Any, request: HttpRequest, song: Song, form: forms.Form) -> Song | None:
    """The new song; None if it was refused, and the form says why."""

    def act() -> UUID:
        made = generation.try_again(song)
        model_admin.log_change(request, song, f"Had it made again, as {made.pk}.")
        model_admin.log_addition(request, made, f"Made again after {song.pk}.")
        return made.pk

    try:
        done = _once(request, act, "songs.admin-again", {"song": str(song.pk)})
    except generation.NoCreditsLeft:
        text = f"{song.owner} has no free credit, and a new song needs one. Grant a credit first."
        form.add_error(None, text)
        return None
    except (generation.NoSecondTry, generation.SongDeleted, StaleForm) as refusal:
        form.add_error(None, str(refusal))
        return None
    made = Song.objects.filter(pk=done.result).first()
    if made is None:
        form.add_error(None, "The song that this form had made was deleted since.")
        return None
    again = "This form was sent before, and made one song." if done.is_repeat else ""
    text = f"{again} “{made}” is queued for {song.owner}.".strip()
    model_admin.message_user(request, text, messages.INFO if again else messages.SUCCESS)
    return made


# --- give the credit back -------------------------------------------------------------------------


def refund_view(model_admin: Any) -> View:
    """GET shows the form with a reason; POST gives one credit, once a song unless asked again."""

    def view(request: HttpRequest, pk: UUID) -> HttpResponse:
        song = asked_for_owner(request, pk, permissions.GRANT)
        form = RefundForm(
            request.POST if request.method == "POST" else None, initial={"why": reason(song)}
        )
        if song.is_in_the_making:
            model_admin.message_user(request, MAKING.format(song), messages.ERROR)
            return HttpResponseRedirect(page_of(model_admin, request, song))
        if form.is_valid() and refunded(model_admin, request, song, form):
            return HttpResponseRedirect(page_of(model_admin, request, song))
        return page(model_admin, request, song, form, "refund", "Give the credit back")

    return require_http_methods(["GET", "POST"])(view)


def reason(song: Song) -> str:
    """The reason that the form begins with; the listener sees it."""
    return f"“{song}”: the credit is given back" if song.is_processed else f"“{song}” did not come"


def refunded(model_admin: Any, request: HttpRequest, song: Song, form: RefundForm) -> bool:
    """Give the credit back once. A refusal becomes an error of the form."""
    why, once_more = form.cleaned_data["why"], form.cleaned_data["once_more"]

    def act() -> int:
        by = cast(User, request.user)
        entry = credits.refund(song, why=why, by=by, once_more=once_more)
        model_admin.log_change(request, song, f"Gave 1 credit back: {why}")
        return entry.pk

    asked_for = {"song": str(song.pk), "why": why, "once_more": once_more}
    try:
        done = _once(request, act, "songs.refund", asked_for)
    except credits.RefundedBefore as problem:
        form.ask_back(str(problem))
        return False
    except (ValueError, StaleForm) as problem:
        form.add_error(None, str(problem))
        return False
    again = "This form was sent before. Nothing was given twice. " if done.is_repeat else ""
    left = credits.in_words(credits.balance(song.owner).credits).lstrip("+")
    text = f"{again}+1 credit for {song.owner}, who has {left} now."
    model_admin.message_user(request, text, messages.INFO if again else messages.SUCCESS)
    return True


# --- what they share ------------------------------------------------------------------------------


def _once(request: HttpRequest, act: Callable[[], object], action: str, asked_for: Any) -> Any:
    token, account = request.POST.get(FORM_TOKEN), request.user.pk
    return once(act, token=token, action=action, account=account, asked=asked_for)


def page(
    model_admin: Any, request: HttpRequest, song: Song, form: forms.Form, name: str, title: str
) -> TemplateResponse:
    [row] = rows([song], request.user)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "subtitle": str(song),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "song": song,
        "row": row,
        "balance": credits.balance(song.owner),
        "form": form,
        "back": page_of(model_admin, request, song),
    }
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, f"admin/songs/song/{name}.html", context, status=status)


def page_of(model_admin: Any, request: HttpRequest, song: Song) -> str:
    """The song's page, or the listener's, or the start, whichever this account may open."""
    if model_admin.has_view_permission(request, song):
        return reverse("admin:songs_song_change", args=[song.pk])
    if permissions.may_see_accounts(request.user):
        return reverse("admin:songs_user_change", args=[song.owner_id])
    return reverse("admin:index")


def delete_all(songs: QuerySet[Song]) -> None:
    """Delete the songs that are not being made."""
    for song in songs.exclude(status__in=IN_THE_MAKING):
        with contextlib.suppress(Song.DoesNotExist):
            delete_song(song)
