"""Give one credit to each listener of many songs, once a listener.

A page says first to how many listeners and for which songs. A listener that has got a credit for
one of these songs is left out, as is an account that the operator may not act on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from jobs.api import FORM_TOKEN, StaleForm, once
from songs import credits, permissions
from songs.forms import RefundForm
from songs.models import CreditEntry, EntryKind, Song, User

MAX_SONGS = 500  # of one form
REASON = "A song of yours did not come"


@dataclass(frozen=True)
class Chosen:
    """The songs for which a credit is given, one a listener, and what is left out."""

    songs: list[Song]
    making: int = 0  # songs that are being made
    refunded: int = 0  # listeners that have got a credit for one of the songs
    forbidden: int = 0  # accounts that the operator may not act on
    more: bool = False  # songs beyond the limit of a form

    @classmethod
    def of(cls, songs: Iterable[Song], actor: User, *, more: bool = False) -> Chosen:
        given = list(songs)
        over = [song for song in given if not song.is_in_the_making]
        back = CreditEntry.objects.filter(song__in=over, kind=EntryKind.REFUND)
        refunded = set(back.values_list("song__owner", flat=True))
        owners = {song.owner_id for song in over} - refunded
        allowed = permissions.those_allowed(permissions.GRANT, actor, owners)
        first: dict[int, Song] = {}
        for song in over:
            if song.owner_id in allowed:
                first.setdefault(song.owner_id, song)
        return cls(
            songs=[first[owner] for owner in sorted(first)],  # the order in which rows are locked
            making=len(given) - len(over),
            refunded=len(refunded),
            forbidden=len(owners - allowed),
            more=more,
        )


def action(model_admin: Any, request: HttpRequest, songs: QuerySet[Song]) -> HttpResponse | None:
    """First a page with a form for the reason; with `post` in the form, the credits."""
    found = list(songs.select_related("owner").order_by("-id")[: MAX_SONGS + 1])
    more = len(found) > MAX_SONGS
    chosen = Chosen.of(found[:MAX_SONGS], cast(User, request.user), more=more)
    if not chosen.songs:
        text = "Nothing to give: these songs are being made, or their listeners have got a credit"
        rights = ", or your account may not give them one" if chosen.forbidden else ""
        model_admin.message_user(request, f"{text}{rights}.", messages.WARNING)
        return None
    is_sent = "post" in request.POST
    form = RefundForm(request.POST if is_sent else None, initial={"why": REASON})
    if form.is_valid() and give(model_admin, request, chosen, form, found):
        return None
    return confirmation(model_admin, request, chosen, form, found[:MAX_SONGS])


def give(
    model_admin: Any, request: HttpRequest, chosen: Chosen, form: RefundForm, sent: list[Song]
) -> bool:
    """Give the credits in one transaction: all or none. A refusal becomes an error of the form."""
    by, why = cast(User, request.user), form.cleaned_data["why"]

    def act() -> str:
        given = 0
        for song in chosen.songs:
            with contextlib.suppress(credits.RefundedBefore):  # by another operator, just now
                credits.refund(song, why=why, by=by)
                model_admin.log_change(request, song, f"Gave 1 credit back: {why}")
                given += 1
        return f"{given} given"

    asked = {"songs": sorted(str(song.pk) for song in sent), "why": why}
    token = request.POST.get(FORM_TOKEN)
    try:
        done = once(act, token=token, action="songs.refund-many", account=by.pk, asked=asked)
    except (ValueError, StaleForm) as problem:
        form.add_error(None, str(problem))
        return False
    number = int(done.result.split()[0])
    again = "This form was sent before. Nothing was given twice. " if done.is_repeat else ""
    text = f"{again}1 credit to {number:,} listener{'' if number == 1 else 's'}."
    if number or again:
        model_admin.message_user(request, text, messages.INFO if again else messages.SUCCESS)
    if not again:
        for sentence in left_alone(chosen, len(chosen.songs) - number):
            model_admin.message_user(request, sentence, messages.WARNING)
    return True


def left_alone(chosen: Chosen, late: int) -> Iterable[str]:
    """A sentence for each reason. To `late` listeners another operator was quicker."""
    if number := chosen.refunded + late:
        listener = _counted(number, "listener", "a credit for one of", "credits for some of")
        were = "was" if number == 1 else "were"
        yield f"{listener} these songs {were} given before."
    if number := chosen.making:
        song = _counted(number, "song", "it is", "they are")
        yield f"{song} being made."
    if number := chosen.forbidden:
        account = _counted(number, "account", "it has", "they have")
        yield f"{account} rights, and only a superuser gives such an account credits."
    if chosen.more:
        yield f"Only the newest {MAX_SONGS} songs were looked at. Repeat the action for the rest."


def _counted(number: int, noun: str, one: str, many: str) -> str:
    """“2 songs were left alone: they are”."""
    if number == 1:
        return f"1 {noun} was left alone: {one}"
    return f"{number:,} {noun}s were left alone: {many}"


def confirmation(
    model_admin: Any, request: HttpRequest, chosen: Chosen, form: RefundForm, sent: list[Song]
) -> TemplateResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Give 1 credit to each listener",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "chosen": chosen,
        "sent": sent,
        "form": form,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, "admin/songs/song/refund_many.html", context, status=status)
