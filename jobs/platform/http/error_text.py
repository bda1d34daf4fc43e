from __future__ import annotations

from http.client import BadStatusLine, RemoteDisconnected

from urllib3.exceptions import LocationValueError

from jobs.errors import FetchCode
from jobs.lib.excerpts import quoted
from jobs.platform.http.address_policy import Refused
from jobs.platform.http.connection import Unreachable


class Broken(Exception):
    """The response did not arrive whole; a retry may help."""

    code = FetchCode.UNUSABLE


class Unusable(Refused):
    """An answer not read on; a retry would bring the same."""

    code = FetchCode.UNUSABLE


def code_of(error: Exception) -> FetchCode:
    if isinstance(error, Unreachable | Broken):
        return error.code
    reason = innermost(error)
    if isinstance(reason, LocationValueError):
        return FetchCode.REFUSED
    return FetchCode.UNUSABLE if is_not_http(reason) else FetchCode.UNREACHABLE


def is_not_http(reason: BaseException) -> bool:
    """Python calls a connection closed without an answer a BadStatusLine, too."""
    return isinstance(reason, BadStatusLine) and not isinstance(reason, RemoteDisconnected)


def sentence(error: Exception) -> str:
    """Without the URL (client, 3)."""
    if isinstance(error, Unreachable | Broken):
        return str(error)
    reason = innermost(error)
    if isinstance(reason, LocationValueError):
        return "the address cannot be read"
    if isinstance(reason, RemoteDisconnected):
        return "the connection was closed before there was an answer"
    if is_not_http(reason):
        return f"what came back is not HTTP: {quoted(reason.args[0])}"
    return f"the request broke: {cause_in_words(reason)}"


def innermost(error: BaseException) -> BaseException:
    while inner := next((a for a in reversed(error.args) if isinstance(a, Exception)), None):
        error = inner
    return error


def cause_in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
