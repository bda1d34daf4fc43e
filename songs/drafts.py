"""What a listener has typed into the form, kept while it cannot be sent.

1. The session has ended: the words wait in the browser's new session, for an hour, until they are
   sent or cleared. A limit keeps programs from filling the database with them. The form says which
   account's page it was on, and only that account gets them back; words of a page that does not say
   it belong to the first account that signs in.
2. The page is out of date: see stale_pages.py.
3. A reload, Back and a page that was left: draft.js keeps the words in the tab.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from jobs.api import excerpt
from songs import limits
from songs.forms import SongForm
from songs.models import User

KEY, OWNER = "draft", "draft_owner"  # of the session
FIELD = "typed_by"
LIFE = 3600  # seconds, of a session without an account
MAX_FIELD = 20_000  # characters of a field that are kept
ENDED = "Your session has ended, so nothing was sent. Sign in: what you typed is in the form again."
NOT_KEPT = "Your session has ended, so nothing was sent, and what you typed is not kept. {}"


def mark(user: User) -> str:
    """What the form says of the account whose page it is on: its id, signed."""
    return _signer().sign(str(user.pk))


def owner(request: HttpRequest) -> int | None:
    try:
        return int(_signer().unsign(request.POST.get(FIELD, "")))
    except signing.BadSignature:
        return None


def _signer() -> signing.Signer:
    return signing.Signer(salt="songs.drafts")


def typed(request: HttpRequest) -> dict[str, str]:
    return {
        name: excerpt(request.POST[name], MAX_FIELD)
        for name in SongForm.base_fields
        if request.POST.get(name)
    }


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """Keep what was sent without a session, and lead to the form by way of signing in."""
    if words := typed(request):
        with limits.taking("drafts", request) as permit:
            if permit.refusal:
                messages.error(request, NOT_KEPT.format(permit.refusal))
            else:
                request.session[KEY], request.session[OWNER] = words, owner(request)
                request.session.set_expiry(LIFE)
                messages.info(request, ENDED)
    return redirect_to_login(reverse("home"))


def kept(request: HttpRequest) -> dict[str, Any]:
    """The initial values that wait in the session for its account."""
    if request.session.get(OWNER) not in (None, request.user.pk):
        return {}
    words = request.session.get(KEY, {})
    return {name: word for name, word in words.items() if name in SongForm.base_fields}


def drop(request: HttpRequest) -> None:
    for key in (KEY, OWNER):
        request.session.pop(key, None)


@require_POST
def clear(request: HttpRequest) -> HttpResponse:
    drop(request)
    return HttpResponseRedirect(reverse("home"), status=303)


@receiver(user_logged_in)
def belong(request: HttpRequest, user: User, **of_django: Any) -> None:
    """Give the words to the account that signs in, or drop them if another one has typed them. The
    session then lasts as long as any other."""
    if KEY not in request.session:
        return
    request.session.set_expiry(None)
    if request.session.get(OWNER) in (None, user.pk):
        request.session[OWNER] = user.pk
    else:
        drop(request)
