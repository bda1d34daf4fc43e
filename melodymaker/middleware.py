"""Middleware: a strict content security policy, no body for HEAD, a page for 405, 503 while the
database is away, and no copy of an account's pages in the browser."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError, connection
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from jobs.api import is_unavailable
from melodymaker import health
from songs.answers import is_part_of_a_page, refusal, wants_json
from songs.ways_back import page_about, page_above

logger = logging.getLogger(__name__)
Answer = Callable[[HttpRequest], HttpResponse]

OUTAGE = "melodymaker.outage"  # key in the META of a request that an outage has failed
NO_PAGE = "This address is for a button of a page and shows nothing by itself. Nothing was done."
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


def head_without_body(get_response: Answer) -> Answer:
    """Leave the body out of an answer to HEAD; its length stays. gunicorn drops it too, but writes
    a warning into the log each time."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method == "HEAD" and not response.streaming and response.content:
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response

    return middleware


def method_not_allowed(get_response: Answer) -> Answer:
    """Give the empty 405 of a view a page with a way back, or a sentence to a program."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != 405 or response.streaming or response.content:
            return response
        back = page_above(request.path) if request.method == "GET" else page_about(request.path)
        headers = {"Allow": response["Allow"]}
        return refusal(request, 405, "Nothing to see here", NO_PAGE, headers, back=back)

    return middleware


def kept_by_no_browser(get_response: Answer) -> Answer:
    """Keep an account's pages out of every cache: after signing out, Back would show them again.

    A stranger's page, a file and an answer that says how it is to be kept are left as they are.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_page = response.get("Content-Type", "").startswith("text/html")
        if is_page and "Cache-Control" not in response and _is_of_an_account(request):
            response["Cache-Control"] = "private, no-store"
        return response

    return middleware


def _is_of_an_account(request: HttpRequest) -> bool:
    """Makes no query: an answer that has not read the session holds nothing of an account."""
    return request.session.accessed and SESSION_KEY in request.session


def database_away(get_response: Answer) -> Answer:
    """Answer 503 while PostgreSQL is away, and give the next request a new connection.

    `jobs.api.is_unavailable` decides what counts as away: gone, starting, full, read-only after a
    fail-over. A statement that fails on a healthy connection is a defect and stays a 500.

    1. Errors of views and templates reach `process_exception`.
    2. Django turns errors of other middleware (a session that cannot be saved) into a response
       before they reach this one. It sends a signal for them, which `note_outage` receives.
    3. A connection on which a statement failed is dropped, even if the view caught the error: it
       may lead to a server that has become read-only, and later requests would fail on it too.
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
    """Mark a request that failed because of an outage."""
    error = sys.exc_info()[1]
    if error is not None and is_outage(error):
        request.META[OUTAGE] = True


def is_outage(error: BaseException) -> bool:
    """Whether an outage failed the request. If so, log it and drop the connection."""
    met = [link for link in chain(error) if isinstance(link, DatabaseError | InterfaceError)]
    away = any(is_unavailable(link) for link in met) or bool(met and became_reader())
    if away:
        logger.error("The database is away: %s", error)
        drop_connection()
    return away


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and the errors before it, by `__cause__` or `__context__`."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        yield link
        seen.append(link)
        link = link.__cause__ or link.__context__


def became_reader() -> bool:
    """Whether this connection leads to a reader.

    The view may have caught the error that said so. Later statements of that transaction fail
    with `InFailedSqlTransaction`, which does not tell the reason.
    """
    if connection.connection is None:
        return False
    try:
        return health.database() != "ok"
    except (DatabaseError, InterfaceError):
        return False


def drop_connection() -> None:
    """Make the next request open a new connection. A transaction around the request, as in a test,
    keeps it."""
    if not connection.in_atomic_block:
        connection.close()


def come_back(request: HttpRequest) -> HttpResponse:
    """503 as a page, as JSON or as plain text. Building it makes no query."""
    headers = {"Retry-After": "5", "Cache-Control": "no-store"}
    if wants_json(request):
        return JsonResponse({"error": COME_BACK}, status=503, headers=headers)
    if is_part_of_a_page(request):
        return HttpResponse(COME_BACK, "text/plain; charset=utf-8", status=503, headers=headers)
    page = render_to_string(
        "503.html", {"is_form": request.method == "POST"}
    )  # no request: its context processors would query
    return HttpResponse(page, status=503, headers=headers)
