"""Middleware that refuses a request before it is parsed or costs a query: one with too large a body
(413), one with a NUL (400), which PostgreSQL cannot store and file systems cannot open, one in
letters or parts that Django does not read (400), and one of too many fields (400)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    SuspiciousMultipartForm,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from gunicorn.http.errors import ParseException

from jobs.api import excerpt, quoted
from melodymaker.bodies import body_limit, size_in_words
from songs.answers import refusal

logger = logging.getLogger(__name__)
# What Django raises for a charset that it does not take, for one that is none of a text, and for
# parts that it cannot tell apart.
UNREADABLE = BadRequest, LookupError, MultiPartParserError, SuspiciousMultipartForm, UnicodeError
Answer = Callable[[HttpRequest], HttpResponse]

NUL, UTF_8 = "\0", "utf-8"
TOO_LARGE = "The request is larger than {}, and more is not accepted here. Send less at a time."
NO_LENGTH = "The request does not say how large it is. Send it with a Content-Length."
NOT_WHOLE = "The request ended before it was whole. Send it once more."
NOT_CHUNKS = "The chunks of the request cannot be told apart. Send it once more."
NOT_READ = "The form in the request cannot be read. Send it once more, in UTF-8."
NOT_IN_UTF_8 = (
    "The charset of the request is “{}”, and “utf-8” alone is read here. Send it in that."
)
TOO_MANY = (
    "The request has too many fields. At most {} are read in a form or an address, and {} files."
)
HOLDS_NUL = "The request holds a NUL character, which no text can have. Send it without that."


class Request(WSGIRequest):
    """A request that can be made whatever its charset is: Django reads the query at once, where no
    middleware could refuse it. `no_nul` does."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        with suppress(LookupError, ValueError):
            super()._set_content_type_params(meta)  # type: ignore[misc]


def bounded_bodies(get_response: Answer) -> Answer:
    """Answer 413 to a body over the limit of its path (bodies.py), before any of it is read.

    A body that comes in chunks has no length. Up to the limit of it is read, in memory; Django
    would take such a body for empty.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        limit = body_limit(request.path_info)
        if _length(request) > limit:
            return _too_large(request, limit)
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            refused = _take_in(request, limit)
            if refused is not None:
                return refused
        return get_response(request)

    return middleware


def _length(request: HttpRequest) -> int:
    """The length that the request states, in bytes; 0 if it states none, and more than any limit if
    what it states is no length."""
    stated = request.META.get("CONTENT_LENGTH") or ""
    is_number = stated.isascii() and stated.isdigit() and len(stated) < 20
    return int(stated) if is_number else 2**63 * bool(stated)


def _too_large(request: HttpRequest, limit: int) -> HttpResponse:
    logger.warning("Refused a body over %s for %s", size_in_words(limit), quoted(request.path, 200))
    sentence = TOO_LARGE.format(size_in_words(limit))
    return refusal(request, 413, "That is too much", sentence, {})


def _take_in(request: Any, limit: int) -> HttpResponse | None:
    """Read a body in chunks, or return the answer that refuses it."""
    if not request.META.get("wsgi.input_terminated"):  # nothing would tell the end
        return refusal(request, 411, "How much is it?", NO_LENGTH, {})
    try:
        body = request.META["wsgi.input"].read(limit + 1)
    except OSError:
        return refusal(request, 400, "Not understood", NOT_WHOLE, {})
    except ParseException:
        return refusal(request, 400, "Not understood", NOT_CHUNKS, {})
    if len(body) > limit:
        return _too_large(request, limit)
    give_body(request, body)
    return None


def give_body(request: Any, body: bytes) -> None:
    """By a private name, `_stream`: a request has no public place for a body."""
    request.META["CONTENT_LENGTH"] = str(len(body))
    request._stream = BytesIO(body)


def no_nul(get_response: Answer) -> Answer:
    """Answer 400 to a NUL in the path, the query, a header, a cookie or the body, and to more
    fields than Django reads. Its own answer to these is an error with a traceback, and on a machine
    of developers a page of it that takes half a minute to make.

    A body in another charset than UTF-8 is refused unread. Django refuses it too, but not in parts,
    and to decode 1 MiB of what Python calls “punycode” takes a minute.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if _length(request) and (request.encoding or UTF_8).lower() != UTF_8:
            return refusal(request, 400, "Not understood", _why_not_read(request), {})
        try:
            holds_nul = any(NUL in text for text in _texts(request))
        except UnreadablePostError:
            return refusal(request, 400, "Not understood", NOT_WHOLE, {})
        except (TooManyFieldsSent, TooManyFilesSent):
            return refusal(request, 400, "That is too much", _too_many(), {})
        except UNREADABLE:
            return refusal(request, 400, "Not understood", _why_not_read(request), {})
        if holds_nul:
            return refusal(request, 400, "Not understood", HOLDS_NUL, {})
        return get_response(request)

    return middleware


def _why_not_read(request: HttpRequest) -> str:
    charset = request.encoding or UTF_8
    return NOT_READ if charset.lower() == UTF_8 else NOT_IN_UTF_8.format(excerpt(charset, 40))


def _too_many() -> str:
    most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS, settings.DATA_UPLOAD_MAX_NUMBER_FILES
    return TOO_MANY.format(*(f"{number:,}" for number in most))


def _texts(request: HttpRequest) -> Iterator[str]:
    """Everything in the request that a view may read, decoded as the view would."""
    yield request.path_info
    yield from (value for value in request.META.values() if isinstance(value, str))
    yield from request.COOKIES.values()
    if request.META.get("QUERY_STRING"):
        yield from _pairs(request.GET)
    if _length(request):
        yield request.body.decode("latin-1")
        yield from _pairs(request.POST)


def _pairs(query: Any) -> Iterator[str]:
    for name, values in query.lists():
        yield name
        yield from values
