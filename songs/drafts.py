"""What a listener has typed into the form, kept while it cannot be sent.

1. The session has ended: the words wait in the browser's new session, for an hour, until they are
   sent or cleared. What signs in with that session gets them back in the form.
2. The page is out of date: see stale_pages.py.
3. A reload, Back and a page that was left: draft.js keeps the words in the tab.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import redirect_to_login
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from jobs.api import excerpt
from songs.forms import SongForm

KEY = "draft"
LIFE = 3600  # seconds, of a session without an account
LONGEST = 20_000  # characters of a field that are kept
ENDED = "Your session has ended, so nothing was sent. Sign in: what you typed is in the form again."


def typed(request: HttpRequest) -> dict[str, str]:
    return {
        name: excerpt(request.POST[name], LONGEST)
        for name in SongForm.base_fields
        if request.POST.get(name)
    }


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """Keep what was sent without a session, and lead to the form by way of signing in."""
    if words := typed(request):
        request.session[KEY] = words
        request.session.set_expiry(LIFE)
        messages.info(request, ENDED)
    return redirect_to_login(reverse("home"))


def kept(request: HttpRequest) -> dict[str, Any]:
    """The initial values that wait in the session."""
    words = request.session.get(KEY, {})
    return {name: word for name, word in words.items() if name in SongForm.base_fields}


def drop(request: HttpRequest) -> None:
    request.session.pop(KEY, None)


@require_POST
def clear(request: HttpRequest) -> HttpResponse:
    drop(request)
    return HttpResponseRedirect(reverse("home"), status=303)


@receiver(user_logged_in)
def live_on(request: HttpRequest, **of_django: Any) -> None:
    """The session of a listener who has signed in lasts as long as any other."""
    if KEY in request.session:
        request.session.set_expiry(None)
