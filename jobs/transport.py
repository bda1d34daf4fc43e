"""One HTTP request on its way: what is sent, which redirects are followed, what is read.

Modal answers 303 after 150 s to a URL where the result may be fetched, again and again, without
making a new request (modal.com/docs/guide/webhook-timeouts). So a 303 to the same origin is
followed with GET and the same headers, its URL remembered; any other redirect is the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from jobs.fetches import BODY_LIMIT, allows
from jobs.models import first_lines
from jobs.secrets import mask, mask_json, resolve

MOST_HOPS = 25
CONNECT_TIMEOUT = 10.0
CHUNK = 65_536
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


class Refused(Exception):
    """An answer that is not to be used; trying again would bring the same."""


def perform(request: Request, remember: Callable[[str], None] = lambda url: None) -> Outcome:
    """Make the request and read its answer; never raises for what the other side does.

    `remember(url)` is called with the result URL of a 303 before it is asked.
    """
    deadline = time.monotonic() + request.timeout
    try:
        with requests.Session() as session:
            session.trust_env = False
            return _ask(session, request, deadline, remember)
    except Refused as refusal:
        return Outcome(error={"message": mask(str(refusal)), "final": True})
    except requests.Timeout:
        return Outcome(error={"message": f"no whole answer within {request.timeout:g} s"})
    except requests.RequestException as error:
        return Outcome(error={"message": mask(first_lines(_plain(error)))})


def _ask(
    session: requests.Session,
    request: Request,
    deadline: float,
    remember: Callable[[str], None],
) -> Outcome:
    headers = {name: resolve(value) for name, value in request.headers.items()}
    method, url, body = request.method, request.url, request.body.encode()
    if request.result_url:
        method, url, body = "GET", request.result_url, b""
    for _ in range(MOST_HOPS + 1):
        _refuse_unless_allowed(url)
        with session.request(
            method,
            url,
            headers=headers,
            data=body or None,
            timeout=(CONNECT_TIMEOUT, _left(deadline)),
            allow_redirects=False,
            stream=True,
        ) as response:
            if response.status_code != 303 or "Location" not in response.headers:
                return _outcome(response, _read(response, deadline))
            target = urljoin(url, response.headers["Location"])
        if _origin(target) != _origin(url):
            raise Refused(f"it redirects to another origin: {_origin(target)}")
        method, url, body = "GET", target, b""
        remember(url)
    raise Refused(f"it redirects more than {MOST_HOPS} times")


def _refuse_unless_allowed(url: str) -> None:
    if not allows(url):
        raise Refused(f"{urlsplit(url).netloc} is not an allowed host")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise requests.Timeout
    return left


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body, chunk by chunk, within the size limit and the deadline."""
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Refused(f"the answer is larger than {BODY_LIMIT // 2**20} MiB")
        _left(deadline)
    return bytes(body)


def _outcome(response: requests.Response, body: bytes) -> Outcome:
    encoding = response.encoding if "charset" in response.headers.get("Content-Type", "") else None
    text = body.decode(encoding or "utf-8", "replace").replace("\0", "�")
    headers = {k: v for k, v in response.headers.items() if k.lower() not in HIDDEN_HEADERS}
    answer = {
        "url": response.url,
        "status_code": response.status_code,
        "headers": headers,
        "body": text,
    }
    summary = {
        "status_code": response.status_code,
        "start": first_lines(text),
        "bytes": len(body),
        "retry_after": response.headers.get("Retry-After"),
    }
    return Outcome(answer=mask_json(answer), summary=mask_json(summary))


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def _plain(error: requests.RequestException) -> str:
    """The sentence inside requests' nested exceptions."""
    inner: Any = error
    while getattr(inner, "args", None) and isinstance(inner.args[0], Exception):
        inner = inner.args[0]
    reason = getattr(inner, "reason", None) or inner
    return f"{type(reason).__name__}: {reason}"
