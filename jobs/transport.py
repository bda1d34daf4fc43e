"""One HTTP request on its way: what is sent, which redirects are followed, what is read.

1. The deadline is for the whole: resolving, connecting, every redirect and the last byte
   (`connections` keeps to it).
2. Modal answers 303 after 150 s to a URL where the result may be fetched, again and again, without
   making a new request (modal.com/docs/guide/webhook-timeouts). So a 303 within the origin is
   followed with GET and the same headers, its URL remembered first: whoever takes the request over
   asks there and sends nothing twice. The result's URL may be the same each time.
3. Nothing else is followed, so that no header reaches a host for which it was not meant. Whoever
   has the result's URL has the result: it stands in no message and in no answer.
4. An answer is held in memory whole, so it is limited: as sent, unpacked, and its headers.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from email.message import Message
from functools import lru_cache
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.parse import urljoin

import urllib3
from requests import RequestException, Response
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import DecodeError, HTTPError, LocationValueError, ProtocolError

from jobs.addresses import Origin, Refused, origin_of, permit
from jobs.connections import Transport, Unreachable, current
from jobs.errors import JobsError
from jobs.excerpts import excerpt, quoted
from jobs.fetches import BODY_LIMIT
from jobs.secrets import mask, mask_json, resolve

MOST_HOPS = 25
CHUNK = 65_536
HEADERS_LIMIT = 65_536  # characters
REDIRECTS = {301, 302, 303, 307, 308}
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
PACKINGS = {"", "identity", "gzip", "x-gzip", "deflate"}
HIDDEN_HEADERS = {"set-cookie", "authorization", "proxy-authorization"}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: plain values, secrets still by reference."""

    method: str
    url: str
    headers: dict[str, Any]
    body: str
    timeout: float  # seconds for the whole
    result_url: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: an answer as a run remembers it, or an error {"message", "final"}."""

    answer: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    summary: dict[str, Any] = field(default_factory=dict)


class Broken(Exception):
    """An answer that did not arrive whole; another try may bring it."""


def perform(
    request: Request,
    remember: Callable[[str], None] = lambda url: None,
    transport: Transport | None = None,
) -> Outcome:
    """Make the request and read its answer; never raises for what the other side does.

    `remember(url)` is called with the result URL of a 303 before it is asked.
    """
    deadline = time.monotonic() + request.timeout
    try:
        return _ask(transport or current(), request, deadline, remember)
    except (Refused, JobsError) as refusal:
        return Outcome(error={"message": _clean(mask(str(refusal))), "final": True})
    except (Unreachable, Broken, RequestException, HTTPError, TimeoutError) as error:
        if time.monotonic() >= deadline:
            return Outcome(error={"message": f"no whole answer within {request.timeout:g} s"})
        return Outcome(error={"message": excerpt(_clean(_sentence(error)).strip())})


def _ask(
    transport: Transport,
    request: Request,
    deadline: float,
    remember: Callable[[str], None],
) -> Outcome:
    origin = origin_of(request.url)
    permit(origin.host, origin.port)
    headers = _headers(request)
    method, url, body = request.method, request.url, request.body.encode()
    if request.result_url:
        method, url, body = "GET", _within(origin, request.result_url), b""
    for _ in range(MOST_HOPS + 1):
        sent = headers if body or method != "GET" else _without_content(headers)
        with closing(transport.open(method, url, sent, body, _left(deadline))) as response:
            target = _redirect(response, url, origin)
            if target is None:
                return _outcome(request, response, _read(response))
        method, url, body = "GET", target, b""
        remember(url)
    raise Refused(f"it redirected {MOST_HOPS} times and did not answer")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


# --- what is sent ---------------------------------------------------------------------------------


def _headers(request: Request) -> dict[str, str]:
    """With secrets in place, non-ASCII text as UTF-8."""
    headers = {name: resolve(value) for name, value in request.headers.items()}
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            raise Refused(f"{quoted(name)} is not a header's name")
        if any(c in "\r\n\0" for c in value) or value != value.strip():
            raise Refused(
                f"header {quoted(name)}: its value begins or ends with a space or holds a line "
                "break"
            )
    return {name: value.encode().decode("latin-1") for name, value in headers.items()}


def _without_content(headers: dict[str, str]) -> dict[str, str]:
    """What describes a body goes where the body goes."""
    return {name: v for name, v in headers.items() if not name.lower().startswith("content-")}


# --- redirects ------------------------------------------------------------------------------------


def _redirect(response: Response, url: str, origin: Origin) -> str | None:
    """Where a 303 says that the answer is; None if this is the answer."""
    status = response.status_code
    if status not in REDIRECTS:
        return None
    location = response.headers.get("Location", "").encode("latin-1").decode("utf-8", "replace")
    if not location:
        raise Refused(f"it redirects ({status}) without saying where to")
    if mask(location) != location:
        raise Refused(f"it redirects ({status}) to an address that holds a secret")
    try:
        target = urljoin(url, location)
    except ValueError:
        raise Refused(f"it redirects ({status}) to what is no address") from None
    if status == 303:
        return _within(origin, target)
    raise Refused(f"it redirects ({status}) to {_origin_in_words(target)}; only a 303 is followed")


def _within(origin: Origin, target: str) -> str:
    if _origin_in_words(target) != str(origin):
        raise Refused(
            f"it redirects to {_origin_in_words(target)}; only {origin} itself gets this request"
        )
    return target


def _origin_in_words(url: str) -> str:
    try:
        return str(origin_of(url))
    except Refused as refusal:
        return f"an address that is not asked ({refusal})"


# --- what is read ---------------------------------------------------------------------------------


def _read(response: Response) -> bytes:
    """The body, unpacked; Refused if it, or what it unpacks to, is over the limit."""
    if response.status_code < 200:
        raise Broken(f"it said {response.status_code} and no more")
    if sum(len(name) + len(value) for name, value in response.headers.items()) > HEADERS_LIMIT:
        raise Refused(f"the answer's headers are larger than {HEADERS_LIMIT // 1024} KiB")
    _refuse_over_limit(response.raw.length_remaining or 0)
    body = bytearray()
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            body += chunk
            _refuse_over_limit(len(body))
    except ProtocolError as error:
        reason = _innermost(error)
        how = "" if isinstance(reason, IncompleteRead) else f": {_words(reason)}"
        raise Broken(f"the answer broke off after {len(body)} bytes{how}") from error
    return _unpack(bytes(body), response.headers.get("Content-Encoding", "").strip())


def _unpack(body: bytes, packing: str) -> bytes:
    if packing.lower() not in PACKINGS:
        raise Refused(f"the answer is packed as {quoted(packing, 40)}, which was not asked for")
    if not packing:
        return body
    packed = urllib3.HTTPResponse(
        io.BytesIO(body), {"Content-Encoding": packing}, preload_content=False
    )
    try:
        unpacked = packed.read(BODY_LIMIT + 1, decode_content=True)
    except DecodeError:
        raise Broken(f"the answer cannot be unpacked: it is not {packing}") from None
    _refuse_over_limit(len(unpacked))
    return unpacked


def _refuse_over_limit(size: int) -> None:
    if size > BODY_LIMIT:
        raise Refused(f"the answer is larger than {BODY_LIMIT // 2**20} MiB")


def _outcome(request: Request, response: Response, body: bytes) -> Outcome:
    text = _text(body, response.headers.get("Content-Type", ""))
    headers = CaseInsensitiveDict({k: _clean(v) for k, v in response.headers.items()})
    answer = {
        "url": request.url,
        "status_code": response.status_code,
        "headers": {_clean(k): v for k, v in headers.items() if k.lower() not in HIDDEN_HEADERS},
        "body": text,
    }
    summary = {
        "status_code": response.status_code,
        "start": excerpt(text.strip()),
        "bytes": len(body),
        "retry_after": headers.get("Retry-After"),
    }
    return Outcome(answer=mask_json(answer), summary=mask_json(summary))


def _text(body: bytes, content_type: str) -> str:
    """As its charset says, else as UTF-8; what is no text becomes �."""
    charset = _charset(content_type)
    try:
        return _clean(body.decode("utf-8-sig" if charset == "utf-8" else charset, "replace"))
    except (LookupError, ValueError):
        return _clean(body.decode("utf-8-sig", "replace"))


@lru_cache
def _charset(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset() or "utf-8"


def _clean(text: str) -> str:
    """What a database can hold: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()


# --- errors in words ------------------------------------------------------------------------------


def _sentence(error: Exception) -> str:
    """What happened, without the address: whoever has a result's URL has the result."""
    if isinstance(error, Unreachable | Broken):
        return str(error)
    reason = _innermost(error)
    if isinstance(reason, LocationValueError):
        return "the address cannot be read"
    if isinstance(reason, RemoteDisconnected):
        return "the connection was closed before there was an answer"
    if isinstance(reason, BadStatusLine):
        return f"what came back is not HTTP: {quoted(reason.args[0])}"
    return f"the request broke: {_words(reason)}"


def _innermost(error: BaseException) -> BaseException:
    while inner := next((a for a in reversed(error.args) if isinstance(a, Exception)), None):
        error = inner
    return error


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
