"""Two small habits of every answer: a strict content security policy, and honesty about a
database that is away."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError, connection
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from jobs.api import is_unavailable
from melodymaker import health

logger = logging.getLogger(__name__)
Answer = Callable[[HttpRequest], HttpResponse]

OUTAGE = "melodymaker.outage"  # in the META of a request that failed because of one
COME_BACK = "MelodyMaker cannot use its database just now. Try again in a few seconds."


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
    """Answer 503 while PostgreSQL is away, and let the next request have another connection.

    Away is what `jobs.api.is_unavailable` says: gone, starting, full, read-only after a fail-over.
    A failed statement on a healthy connection is a defect of ours and stays an error.

    1. Errors of views and of templates come to `process_exception`.
    2. Errors of other middleware (a session that cannot be saved) are made into an answer before
       they get here. Django tells of them by a signal, see `note_outage`.
    3. A connection on which a statement failed is not kept, even if code has caught the error.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if OUTAGE in request.META:
            response = come_back(request)
        if connection.errors_occurred:
            drop_connection()
        return response

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return come_back(request) if is_outage(exception) else None

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware


@receiver(got_request_exception)
def note_outage(request: HttpRequest, **of_django: Any) -> None:
    """Remember of a request that it failed because of an outage."""
    error = sys.exc_info()[1]
    if error is not None and is_outage(error):
        request.META[OUTAGE] = True


def is_outage(error: BaseException) -> bool:
    """Whether a request failed because the database is away; says so in the log."""
    met = [link for link in chain(error) if isinstance(link, DatabaseError | InterfaceError)]
    away = any(is_unavailable(link) for link in met) or bool(met and became_reader())
    if away:
        logger.error("The database is away: %s", error)
        drop_connection()
    return away


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was raised from, or that were being handled then."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        yield link
        seen.append(link)
        link = link.__cause__ or link.__context__


def became_reader() -> bool:
    """Whether this connection leads to a reader. Code may have caught the error that said so: what
    it met later in the same transaction is only that this had failed."""
    if connection.connection is None:
        return False
    try:
        return health.database() != "ok"
    except (DatabaseError, InterfaceError):
        return False


def drop_connection() -> None:
    """The next request makes a new one. A transaction around the request, a test's, is kept."""
    if not connection.in_atomic_block:
        connection.close()


def come_back(request: HttpRequest) -> HttpResponse:
    """503 in the form that was asked for. It asks the database nothing."""
    headers = {"Retry-After": "5", "Cache-Control": "no-store"}
    if wants_json(request):
        return JsonResponse({"error": COME_BACK}, status=503, headers=headers)
    if is_part_of_a_page(request):
        return HttpResponse(COME_BACK, "text/plain; charset=utf-8", status=503, headers=headers)
    page = render_to_string("503.html", {"is_form": request.method == "POST"})  # without request
    return HttpResponse(page, status=503, headers=headers)


def wants_json(request: HttpRequest) -> bool:
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return request.path.endswith(".json") or preferred == "application/json"


def is_part_of_a_page(request: HttpRequest) -> bool:
    """A fragment that htmx fetches, a sound, a picture: no page is shown for it."""
    destination = request.headers.get("Sec-Fetch-Dest", "document")
    return "HX-Request" in request.headers or destination not in ("document", "iframe")
