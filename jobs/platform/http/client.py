"""One HTTP request.

1. The deadline covers resolving, connecting, every redirect and the last byte (deadline_socket).
2. After 150 s Modal answers 303, maybe repeatedly, to a URL that gives the result without a new
   request (modal.com/docs/guide/webhook-timeouts). So a 303 within the origin is followed with GET
   and the same headers. Its URL, maybe the same one, is stored first: a gateway that takes the
   request over asks there and sends nothing twice.
3. No other redirect is followed: the headers were not meant for that host. A result's URL gives
   access to the result, so no message or response holds it.
4. A response is limited as sent, unpacked, and in its headers: memory holds it whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urljoin

from requests import RequestException, Response
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from jobs.errors import FetchCode, JobsError
from jobs.lib.excerpts import excerpt
from jobs.lib.secrets import mask, mask_json
from jobs.platform.http.address_policy import Origin, Refused, origin_of, permit
from jobs.platform.http.body import clean_text, read_body, text_of
from jobs.platform.http.connection import Unreachable
from jobs.platform.http.connection_pool import Transport, current
from jobs.platform.http.error_text import Broken, Unusable, code_of, sentence
from jobs.platform.http.exchange import Request, RequestOutcome
from jobs.platform.http.headers import headers_of, without_content

MAX_HOPS = 25
REDIRECTS = {301, 302, 303, 307, 308}
HIDDEN_HEADERS = {"set-cookie", "authorization", "proxy-authorization"}


def perform(
    request: Request,
    remember: Callable[[str], None] = lambda url: None,
    transport: Transport | None = None,
) -> RequestOutcome:
    """`remember(url)` stores a 303's result URL before it is asked."""
    deadline = time.monotonic() + request.timeout
    try:
        return _ask(transport or current(), request, deadline, remember)
    except (Refused, JobsError) as refusal:
        code = refusal.code if isinstance(refusal, Refused) else FetchCode.REFUSED
        return RequestOutcome.failed(code, clean_text(mask(str(refusal))), final=True)
    except (Unreachable, Broken, RequestException, HTTPError, TimeoutError) as error:
        if time.monotonic() >= deadline:
            late = f"no whole answer within {request.timeout:g} s"
            return RequestOutcome.failed(FetchCode.TIMEOUT, late)
        return RequestOutcome.failed(code_of(error), excerpt(clean_text(sentence(error)).strip()))


def _ask(
    transport: Transport,
    request: Request,
    deadline: float,
    remember: Callable[[str], None],
) -> RequestOutcome:
    origin = origin_of(request.url)
    permit(origin.host, origin.port)
    headers = headers_of(request)
    method, url, body = request.method, request.url, request.body.encode()
    if request.result_url:
        method, url, body = "GET", _within(origin, request.result_url), b""
    for _ in range(MAX_HOPS + 1):
        sent = headers if body or method != "GET" else without_content(headers)
        with closing(transport.open(method, url, sent, body, _left(deadline))) as response:
            target = _redirect(response, url, origin)
            if target is None:
                return _outcome(request, response, read_body(response))
        method, url, body = "GET", target, b""
        remember(url)
    raise Unusable(f"it redirected {MAX_HOPS} times and did not answer")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


# --- redirects ------------------------------------------------------------------------------------


def _redirect(response: Response, url: str, origin: Origin) -> str | None:
    """A 303's target, or None."""
    status = response.status_code
    if status not in REDIRECTS:
        return None
    location = response.headers.get("Location", "").encode("latin-1").decode("utf-8", "replace")
    if not location:
        raise Unusable(f"it redirects ({status}) without saying where to")
    if mask(location) != location:
        raise Unusable(f"it redirects ({status}) to an address that holds a secret")
    try:
        target = urljoin(url, location)
    except ValueError:
        raise Unusable(f"it redirects ({status}) to what is no address") from None
    if status == 303:
        return _within(origin, target)
    raise Unusable(f"it redirects ({status}) to {_origin_in_words(target)}; only a 303 is followed")


def _within(origin: Origin, target: str) -> str:
    if _origin_in_words(target) != str(origin):
        raise Unusable(
            f"it redirects to {_origin_in_words(target)}; only {origin} itself gets this request"
        )
    return target


def _origin_in_words(url: str) -> str:
    try:
        return str(origin_of(url))
    except Refused as refusal:
        return f"an address that is not asked ({refusal})"


# --- what is read ---------------------------------------------------------------------------------


def _outcome(request: Request, response: Response, body: bytes) -> RequestOutcome:
    text = text_of(body, response.headers.get("Content-Type", ""))
    headers = CaseInsensitiveDict({k: clean_text(v) for k, v in response.headers.items()})
    reply = {
        "url": request.url,
        "status_code": response.status_code,
        "headers": {
            clean_text(k): v for k, v in headers.items() if k.lower() not in HIDDEN_HEADERS
        },
        "body": text,
    }
    head = {
        "status_code": response.status_code,
        "start": excerpt(text.strip()),
        "bytes": len(body),
        "retry_after": headers.get("Retry-After"),
    }
    return RequestOutcome(response=mask_json(reply), head=mask_json(head))
