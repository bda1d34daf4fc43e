"""A test's unusable arguments are refused at once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from jobs.errors import JobsError
from jobs.lib.durations import NOTHING, duration
from jobs.lib.excerpts import quoted
from jobs.lib.numbers import is_whole
from jobs.lib.signatures import name_of, signature_of, takes_one_argument
from jobs.lib.spelling import did_you_mean

FIRST, LAST = 100, 599  # statuses
UNFIT_IN_HEADER = "\r\n\0"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "*")
ALLOWED = "an Answer(status=…, body=…, headers=…), or a function of the request that returns one,"


def checked_limit(given: Any) -> int:
    if not is_whole(given) or given < 1:
        raise JobsError(f"drain(limit={quoted(given)}); a whole number of at least 1 is allowed.")
    return given


def checked_span(given: Any) -> timedelta:
    """Time goes on, never back."""
    span = duration(given)
    if span is None or span < NOTHING:
        raise JobsError(
            f"travel({quoted(given)}); a timedelta or a number of seconds is allowed, not less "
            "than 0."
        )
    return span


def check_answer(answer: Any, kind: type, told: str) -> None:
    """`told` is what was given, and where: “answers({'a': 1})”."""
    if not isinstance(answer, kind):
        raise JobsError(f"{told}; {ALLOWED} is allowed.{_as_body(answer)}")
    given: Any = answer
    status = given.status
    if not is_whole(status) or not FIRST <= status <= LAST:
        raise JobsError(
            f"Answer(status={quoted(status)}); a whole number from {FIRST} to {LAST} is allowed."
        )
    if not isinstance(given.body, str):
        _check_body(given.body)
    _check_headers(given.headers)


def _as_body(given: Any) -> str:
    is_body = isinstance(given, dict | list | str)
    return f" Write Answer(body={quoted(given)})." if is_body else ""


def check_route(method: Any, path: Any) -> None:
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise JobsError(
            f"on({quoted(method)}, …): a method is allowed: {', '.join(METHODS)} (for any)."
            f"{did_you_mean(str(method).upper(), METHODS)}"
        )
    if isinstance(path, str) and "://" in path:
        only = urlsplit(path).path or "/"
        raise JobsError(f"on(…, {quoted(path)}): the path alone is allowed: {quoted(only)}.")
    if not isinstance(path, str) or not path.startswith(("/", "*")):
        raise JobsError(
            f"on(…, {quoted(path)}): a path is allowed, a text that begins with “/” or “*”, as in "
            'on("GET", "/orders/*", Answer(…)).'
        )


def check_function(function: Any, called: str) -> None:
    if not takes_one_argument(function):
        raise JobsError(
            f"{called}{name_of(function)}{signature_of(function)}); a function of one argument is "
            "allowed, the request: lambda asked: Answer(body=asked.path)."
        )


def _check_body(body: Any) -> None:
    try:
        json.dumps(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise JobsError(
            f"Answer(body={quoted(body)}); JSON, or a text as it is, is allowed ({error})."
        ) from None


def _check_headers(headers: Any) -> None:
    pairs = headers.items() if isinstance(headers, dict) else [(None, None)]
    texts = [text for pair in pairs for text in pair]
    are_fit = all(isinstance(t, str) and not any(c in t for c in UNFIT_IN_HEADER) for t in texts)
    if not are_fit:
        raise JobsError(
            f"Answer(headers={quoted(headers)}); a dict of texts in one line each is allowed."
        )
