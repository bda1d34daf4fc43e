"""Two small habits of every answer: a strict content security policy, and honesty about a
database that is away."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)
Answer = Callable[[HttpRequest], HttpResponse]


def content_security_policy(get_response: Answer) -> Answer:
    """Add the policy from settings, unless the view has set its own."""
    policy = "; ".join(
        f"{directive} {' '.join(sources)}"
        for directive, sources in settings.CONTENT_SECURITY_POLICY.items()
    )

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy)
        return response

    return middleware


def database_away(get_response: Answer) -> Answer:
    """Answer 503 with a plain page while PostgreSQL cannot be reached.

    Only an unusable connection counts: a failed statement on a healthy one is a defect of ours
    and stays an error.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, (OperationalError, InterfaceError)) or connection.is_usable():
            return None
        logger.error("The database cannot be reached: %s", exception)
        connection.close()
        page = render_to_string("503.html")  # without the request: it could ask the database
        return HttpResponse(page, status=503, headers={"Retry-After": "5"})

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware
