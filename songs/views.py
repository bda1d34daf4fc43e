"""The listener's pages. A song of another listener is a 404 on all of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs.api import StaleForm
from songs import answers, credits, drafts, generation, library, limits
from songs.forms import SongForm, TitleForm
from songs.library import A_PAGE, list_of
from songs.limits import limited
from songs.models import Song, Way
from songs.progress import as_they_are, cards
from songs.requests import ListenerRequest, mine, own, see_other, token_of
from songs.sharing.discover import cards_of_landing
from songs.sharing.owner import share_context
from songs.storage import send_file

NEWEST = 6
ASKED_BEFORE = "You ordered this song before, with the same form. Open a new form for another song."
STYLES = ["lo-fi", "piano ballad", "synthwave", "folk", "house", "slow", "uplifting", "strings"]
INSPIRATIONS = [
    "warm lo-fi beat for a rainy evening",
    "sad piano ballad about leaving home",
    "fast techno with a driving bass",
    "sunny acoustic guitar for a road trip",
    "slow cinematic strings that grow",
    "80s synth pop with a catchy chorus",
]


# --- / and /songs/ ------------------------------------------------------------------------------


@require_safe
def home(request: ListenerRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        context = {"inspirations": INSPIRATIONS[:4], "cards": cards_of_landing()}
        return render(request, "songs/landing.html", context)
    form = SongForm(initial=wishes_like(request) or drafts.kept(request))
    return form_page(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
def songs(request: ListenerRequest) -> HttpResponse:
    if request.method != "POST":
        return library.page(request)
    if not request.user.is_authenticated:
        return drafts.ask_to_sign_in(request)
    return queue_generation(request)


def queue_generation(request: ListenerRequest) -> HttpResponse:
    """Order a song. A refused wish is shown in the form again, as the listener typed it."""
    form = SongForm(request.POST)
    if not form.is_valid():
        return form_page(request, form, status=422)
    try:
        with limits.taking("orders", request, form.takes) as permit:
            placed = generation.order(
                request.user,
                form.wishes(),
                token_of(request),
                takes=form.takes,
                require=permit.require,
            )
            if placed.is_repeat:
                permit.give_back()
    except limits.TooMany as reached:
        form.add_error(None, str(reached))
        return limits.come_again(form_page(request, form, status=429), reached)
    except (generation.NoCreditsLeft, StaleForm) as refusal:
        form.add_error(None, str(refusal))
        return form_page(request, form, status=422)
    except generation.SongDeleted as gone:
        messages.info(request, str(gone))
        return HttpResponseRedirect(reverse("songs"), status=303)
    drafts.drop(request)
    if placed.is_repeat:
        messages.info(request, ASKED_BEFORE)
    if form.takes > 1:
        return HttpResponseRedirect(reverse("songs"), status=303)
    return see_other(placed.song)


def form_page(request: ListenerRequest, form: SongForm, status: int = 200) -> HttpResponse:
    newest = mine(request).prefetch_related("categories")[:NEWEST]
    context = {
        "form": form,
        "balance": credits.balance(request.user),
        "inspirations": INSPIRATIONS,
        "styles": STYLES,
        "draft": drafts.kept(request),
        "typed_by": drafts.mark(request.user),
        **list_of(cards(request.user, newest)),
    }
    return render(request, "songs/home.html", context, status=status)


def wishes_like(request: ListenerRequest) -> dict[str, Any]:
    """The initial wishes of “Another like this”: those of one of the listener's songs."""
    try:
        song = mine(request).get(pk=UUID(request.GET.get("like", "")))
    except (ValueError, Song.DoesNotExist):
        return {}
    way = {"way": song.way} if song.way != Way.DESCRIPTION else {}
    return generation.wishes_of(song) | way


# --- /songs/cards: what has changed in a list -----------------------------------------------------


@never_cache
@require_safe
@limited("polling")
def changed_cards(request: ListenerRequest) -> HttpResponse:
    """The cards that have changed since the page last asked; 204 if none has.

    Each `song` parameter is `<id>:<state>`, with the `Card.state` that the page shows.
    """
    seen = dict(pair.partition(":")[::2] for pair in request.GET.getlist("song")[:A_PAGE])
    watched = mine(request).filter(pk__in=[pk for pk in seen if is_uuid(pk)])
    now = cards(request.user, watched.prefetch_related("categories"))
    changed = [card for card in now if seen[str(card.song.pk)] != card.state]
    if not changed and len(now) == len(seen):
        return HttpResponse(status=204)
    return render(request, "songs/_changed_cards.html", {**list_of(now), "changed": changed})


def is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


# --- /songs/<uuid>… -----------------------------------------------------------------------------


@login_required
@require_safe
def song(request: ListenerRequest, pk: UUID) -> HttpResponse:
    found = own(request, pk)
    return song_page(request, found, TitleForm(initial={"title": found.title}))


def song_page(
    request: ListenerRequest, song: Song, title_form: TitleForm, status: int = 200
) -> HttpResponse:
    [card] = cards(request.user, [song])
    context = {"card": card, "song": song, "title_form": title_form, "took": took(song)}
    context |= share_context(request, song)
    return render(request, "songs/song.html", context, status=status)


def took(song: Song) -> str:
    if song.finished_at is None:
        return ""
    seconds = round((song.finished_at - song.created_at).total_seconds())
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60} s"


@never_cache
@require_safe
@limited("polling")
def song_card(request: ListenerRequest, pk: UUID) -> HttpResponse:
    """The song's card; 204 if the page shows its current state."""
    [card] = cards(request.user, [own(request, pk)])
    if request.GET.get("seen") == card.state:
        return HttpResponse(status=204)
    context = {"card": card, "song": card.song, **share_context(request, card.song)}
    return render(request, "songs/_song_news.html", context)


@never_cache
@require_safe
@limited("polling")
def song_json(request: ListenerRequest, pk: UUID) -> HttpResponse:
    try:
        [song] = as_they_are([own(request, pk)])
    except Http404:
        return answers.not_found(request)
    ready = song.is_processed
    return JsonResponse(
        {
            "id": song.id,
            "status": song.status,
            "reason": song.reason,
            "title": song.title,
            "audio_url": reverse("song-audio", args=[pk]) if ready else None,
            "cover_url": reverse("song-cover", args=[pk]) if song.thumbnail_s3_key else None,
            "categories": [category.name for category in song.categories.all()],
            "created_at": song.created_at,
            "finished_at": song.finished_at,
        }
    )


@never_cache
@require_safe
@limited("polling")
def song_waveform(request: ListenerRequest, pk: UUID) -> HttpResponse:
    """The waveform as `Song.waveform`, empty if there is none; 204 while it is being drawn."""
    song = own(request, pk)
    if song.is_being_drawn:
        return HttpResponse(status=204)
    return HttpResponse(song.waveform, content_type="text/plain")


@require_safe
@limited("downloads")
def song_audio(request: ListenerRequest, pk: UUID) -> HttpResponseBase:
    return song_file(request, own(request, pk), "s3_key")


@require_safe
@limited("downloads")
def song_cover(request: ListenerRequest, pk: UUID) -> HttpResponseBase:
    return song_file(request, own(request, pk), "thumbnail_s3_key")


def song_file(request: ListenerRequest, song: Song, field: str) -> HttpResponseBase:
    key = getattr(song, field)
    if not key:
        raise Http404("There is no such file yet.")
    return send_file(request, key, title=str(song), download="download" in request.GET)


@login_required
@require_POST
def rename(request: ListenerRequest, pk: UUID) -> HttpResponse:
    song = own(request, pk)
    form = TitleForm(request.POST)
    if not form.is_valid():
        return song_page(request, song, form, status=422)
    if not mine(request).filter(pk=pk).update(title=form.cleaned_data["title"]):
        raise Http404("The song was deleted meanwhile.")
    messages.success(request, "Renamed.")
    return see_other(song)


@login_required
@require_POST
def again(request: ListenerRequest, pk: UUID) -> HttpResponse:
    """Order a song that did not work once more, with the same wishes."""
    song = own(request, pk)
    try:
        with limits.taking("orders", request) as permit:
            return see_other(generation.try_again(song, token_of(request), permit.require))
    except limits.TooMany as reached:
        messages.error(request, str(reached))
        title_form = TitleForm(initial={"title": song.title})
        return limits.come_again(song_page(request, song, title_form, status=429), reached)
    except generation.NoSecondTry as reason:
        messages.info(request, str(reason))
        return see_other(song)
    except (generation.NoCreditsLeft, StaleForm) as refusal:
        messages.error(request, str(refusal))
    except generation.SongDeleted as gone:
        messages.info(request, str(gone))
    return see_other(song)
