"""Middleware: requests about an account or a song that went while they were under way."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from songs import gone

Answer = Callable[[HttpRequest], HttpResponse]


def account_gone(get_response: Answer) -> Answer:
    """Lead the account's own requests to the page to sign in; others', and those about a song, are
    a 404."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    middleware.process_exception = gone.answer  # type: ignore[attr-defined]
    return middleware
