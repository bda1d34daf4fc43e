"""The pages of a listener who leaves: a download of everything, and the closing of the account."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from songs import cache, downloads
from songs.accounts import attempts
from songs.leaving import Belongings, LastSuperuser, close_account
from songs.models import Download, User
from songs.storage import send_file
from songs.views import ListenerRequest

MAX_TRIES = 5  # of the password, in one session
FILE = "MelodyMaker"  # the download's name on the listener's machine
CLOSED = "Your account is closed. What was yours here is being removed; that takes a few minutes."


# --- /accounts/download/ --------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def download(request: ListenerRequest) -> HttpResponse:
    """GET shows the download and how far it is; POST begins one."""
    if request.method != "POST":
        return download_page(request)
    try:
        downloads.order(request.user)
    except downloads.TooSoon as refusal:
        response = download_page(request, str(refusal), status=429)
        response.headers["Retry-After"] = str(refusal.wait)
        return response
    return HttpResponseRedirect(reverse("download"), status=303)


def download_page(request: ListenerRequest, refusal: str = "", status: int = 200) -> HttpResponse:
    found = downloads.newest(request.user)
    context = {"refusal": refusal, "kept": downloads.KEPT_FOR, **state_of(found)}
    return render(request, "account/download.html", context, status=status)


@never_cache
@require_safe
def download_state(request: ListenerRequest) -> HttpResponse:
    """The part of the page that moves; 204 if the page shows the current state."""
    found = own_download(request)
    if request.GET.get("seen") == found.state:
        return HttpResponse(status=204)
    return render(request, "account/_download_news.html", state_of(found))


def state_of(found: Download | None) -> dict[str, Any]:
    """What the part of the page shows; with the seconds after which it is no longer right."""
    soonest = downloads.soonest_after(found)
    wait = (soonest - timezone.now()).total_seconds() if soonest else 0
    return {"download": found, "soonest": soonest, "wait": math.ceil(wait) + 1}


@require_safe
def download_file(request: ListenerRequest) -> HttpResponseBase:
    found = own_download(request)
    if not found.is_ready:
        raise Http404("There is no download that is ready.")
    return send_file(request, found.key, title=FILE, download=True)


def own_download(request: ListenerRequest) -> Download:
    found = downloads.newest(request.user) if request.user.is_authenticated else None
    if found is None:
        raise Http404("There is no download.")
    return found


# --- /accounts/close/ -----------------------------------------------------------------------------


class CloseForm(forms.Form):
    """Asks for the password once more. An account without one types its name."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
        error_messages={
            "required": "Type your password: another person could sit at your browser."
        },
    )

    def __init__(self, user: User, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.user = user
        if not user.has_usable_password():
            field = forms.CharField(label=f"Type your name, {user.get_username()}")
            self.fields["password"] = field

    @sensitive_variables()
    def clean_password(self) -> str:
        given = str(self.cleaned_data["password"])
        if not self.user.has_usable_password():
            if given != self.user.get_username():
                raise forms.ValidationError("That is not your name, as the page shows it.")
        elif not self.user.check_password(given):
            raise forms.ValidationError("That is not your password. Nothing was closed.")
        return given


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def close(request: ListenerRequest) -> HttpResponse:
    """GET says what goes and what stays; POST with the password closes the account."""
    if request.method != "POST":
        return close_page(request, CloseForm(request.user))
    tries = tries_of(request)
    if tries > MAX_TRIES:
        return too_often(request)
    form = CloseForm(request.user, request.POST)
    if form.is_valid():
        return closed(request, form)
    return too_often(request) if tries == MAX_TRIES else close_page(request, form)


def closed(request: ListenerRequest, form: CloseForm) -> HttpResponse:
    try:
        close_account(request.user)
    except LastSuperuser as refusal:
        form.add_error(None, str(refusal))
        return close_page(request, form)
    except User.DoesNotExist:  # in another tab, a moment ago
        pass
    logout(request)
    messages.success(request, CLOSED)
    return HttpResponseRedirect(reverse("home"), status=303)


def tries_of(request: HttpRequest) -> int:
    """Count a try before its password is looked at, so that a hundred at once are counted like a
    hundred in turn: a session that was left open is of no use for guessing it."""
    key = attempts.key("closing", request.session.session_key)
    return cache.count(key, timedelta(seconds=settings.SESSION_COOKIE_AGE)).number


def too_often(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.error(request, "That was a wrong password too often. Sign in again first.")
    return HttpResponseRedirect(reverse("account_login"), status=303)


def close_page(request: ListenerRequest, form: CloseForm) -> HttpResponse:
    context = {
        "form": form,
        "had": Belongings.of(request.user),
        "download": downloads.newest(request.user),
    }
    status = 422 if form.is_bound else 200
    return render(request, "account/close.html", context, status=status)
