"""Requests whose session has ended: signing in leads to a page, and says that nothing was done.

A view that wants an account leads to the page to sign in, and from there to the request's own
address. That is right for a page. A form's address answers no GET, what the form should have done
was not done, and a part of a page must not be exchanged for the whole page to sign in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import redirect_to_login
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from songs.ways_back import page_of

Answer = Callable[[HttpRequest], HttpResponse]
COOKIE = "nothing_was_done"  # no session: a program's requests would fill the database with them
LIFE = 3600  # seconds
ENDED = "Your session has ended, so nothing was done. Sign in, and try it again."
NOTHING_DONE = "Your session had ended, so nothing was done. Try it again."
SAFE = ("GET", "HEAD", "OPTIONS")


def leads_to_a_page(get_response: Answer) -> Answer:
    """Middleware: after signing in, a form and a part of a page lead to the page they were on."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if COOKIE in request.COOKIES and request.user.is_authenticated:
            response.delete_cookie(COOKIE)
        is_form = request.method not in SAFE
        is_part = "HX-Request" in request.headers and "HX-Boosted" not in request.headers
        if not (is_form or is_part) or not _asks_to_sign_in(request, response):
            return response
        door = urlsplit(response["Location"]).path
        answer: HttpResponse = redirect_to_login(page_of(request), door)
        if "HX-Request" in request.headers:
            answer = HttpResponse(status=204, headers={"HX-Redirect": answer["Location"]})
        if is_form:
            remember(request, answer)
        return answer

    return middleware


def _asks_to_sign_in(request: HttpRequest, response: HttpResponse) -> bool:
    if response.status_code != 302 or request.user.is_authenticated:
        return False
    where = urlsplit(response["Location"])
    doors = (reverse("account_login"), reverse("admin:login"))
    own = request.get_full_path()
    return where.path in doors and parse_qs(where.query).get(REDIRECT_FIELD_NAME) == [own]


def remember(request: HttpRequest, answer: HttpResponse) -> None:
    secure = settings.SESSION_COOKIE_SECURE
    answer.set_cookie(COOKIE, "1", LIFE, secure=secure, httponly=True, samesite="Lax")
    messages.info(request, ENDED)


@receiver(user_logged_in)
def message_nothing_done(request: HttpRequest, **of_django: Any) -> None:
    if COOKIE in request.COOKIES:
        messages.info(request, NOTHING_DONE, fail_silently=True)  # code may sign in, too
