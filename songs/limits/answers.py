"""What a view answers when a limit is reached: 429, and when to come again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from songs.answers import refusal
from songs.limits.refusals import TooMany
from songs.limits.shares import use_one

View = Callable[..., HttpResponseBase]


def limited(kind: str) -> Callable[[View], View]:
    """Count each request of a view as one of this kind, and answer 429 beyond the limit: as a page,
    as JSON, or as a line of text."""

    def decorate(view: View) -> View:
        @wraps(view)
        def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                use_one(kind, request)
            except TooMany as reached:
                return come_again(refusal(request, 429, "Too many", str(reached), {}), reached)
            return view(request, *args, **kwargs)

        return counted

    return decorate


def come_again(page: HttpResponse, reached: TooMany) -> HttpResponse:
    """The page, with the header that tells a browser or a script when to come again."""
    page.headers["Retry-After"] = str(reached.wait)
    return page
