"""A request's error in a sentence."""

from __future__ import annotations

from http.client import BadStatusLine, RemoteDisconnected

from urllib3.exceptions import LocationValueError

from jobs.lib.excerpts import quoted
from jobs.platform.http.connection import Unreachable


class Broken(Exception):
    """The response did not arrive whole; a retry may help."""


def sentence(error: Exception) -> str:
    """The URL is left out: a result's URL gives access to the result."""
    if isinstance(error, Unreachable | Broken):
        return str(error)
    reason = innermost(error)
    if isinstance(reason, LocationValueError):
        return "the address cannot be read"
    if isinstance(reason, RemoteDisconnected):
        return "the connection was closed before there was an answer"
    if isinstance(reason, BadStatusLine):
        return f"what came back is not HTTP: {quoted(reason.args[0])}"
    return f"the request broke: {cause_in_words(reason)}"


def innermost(error: BaseException) -> BaseException:
    while inner := next((a for a in reversed(error.args) if isinstance(a, Exception)), None):
        error = inner
    return error


def cause_in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
