"""A request of `step.fetch`: checked and made a row, secrets as references, before its run
suspends, and read again with its answer or error when the run goes on.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NoReturn
from urllib.parse import quote

from jobs import conf
from jobs.errors import FetchCode, FetchError, InvalidStep, JobsError, NonRetriableError
from jobs.ids import new_key
from jobs.lib.backoff import header_seconds
from jobs.lib.durations import Duration, duration
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.json_values import Unfit, decode, encode, is_text, plain, size_of
from jobs.lib.numbers import is_number, is_whole
from jobs.lib.secrets import Secret, names_in, reference_for, way_out
from jobs.models import FetchStatus
from jobs.platform.http import address_policy
from jobs.platform.http.exchange import BODY_LIMIT
from jobs.platform.http.headers import HEADER_NAME
from jobs.runs.step_record import StepRecord

DEFAULT_TIMEOUT = 300.0
MAX_TIMEOUT = 7200.0
HEADERS_LIMIT = 65_536  # bytes, names and values together
# Not allowed in a header's value (tabs are); lost at its end.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
NO_HEADER = re.compile(r"[\x00-\x1f\x7f]|\s+\Z")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# A retry may help: timeout, too early, too many requests (RFC 9110 §15.5.9, RFC 8470, RFC 6585),
# and for ASK_AGAIN a gateway's errors.
RETRIABLE = frozenset({408, 425, 429})
ASK_AGAIN = RETRIABLE | {502, 503, 504}

MAX_ACCEPTED = 200  # statuses

Refuse = Callable[[str], NoReturn]


def prepare(
    run_id: uuid.UUID,
    step_name: str,
    url: str,
    method: str,
    json: Any,
    data: str | None,
    headers: dict[str, Any] | None,
    timeout: Duration,
) -> FetchRecord:
    """Secrets by reference. Raises InvalidStep."""

    def refuse(problem: str) -> NoReturn:
        raise InvalidStep(f"step.fetch(“{step_name}”): {problem}")

    verb = method.upper() if isinstance(method, str) else ""
    if verb not in METHODS:
        refuse(f"method {quoted(method)}; {', '.join(METHODS)} are allowed.")
    if not isinstance(url, str) or not allows(url):
        hosts = ", ".join(conf.allowed_hosts()) or "none"
        refuse(
            f"{quoted(url, 200)} is not an http(s) URL of an allowed host ({hosts}). "
            'JOBS["ALLOWED_HOSTS"] names them.'
        )
    if json is not None and data is not None:
        refuse("give either json or data, not both.")
    body = _body(json, data, refuse)
    if not is_text(url) or not is_text(body):
        refuse("the URL or the body holds a NUL or a lone surrogate, which cannot be stored.")
    _refuse_secrets(url, body, refuse)
    key = f"{run_id}:{step_name}"
    sent = {"Content-Type": "application/json"} if json is not None else {}
    sent |= {"Idempotency-Key": NO_HEADER.sub(lambda found: quote(found[0], safe=""), key)}
    own = _headers(headers, refuse)
    _refuse_in_clear(url, own, refuse)
    set_otherwise = {name.lower() for name in own}
    return FetchRecord(
        step_name=step_name,
        method=plain(verb),
        url=plain(url),
        headers={n: v for n, v in sent.items() if n.lower() not in set_otherwise} | own,
        body=plain(body),
        timeout=_seconds(timeout, refuse),
        idempotency_key=excerpt(key, 100),
    )


def _seconds(timeout: Any, refuse: Refuse) -> float:
    span = duration(timeout)
    seconds = 0.0 if span is None else span.total_seconds()
    if not 0 < seconds <= MAX_TIMEOUT:
        refuse(
            f"timeout={quoted(timeout)}; more than 0 and at most {MAX_TIMEOUT:g} s are "
            "allowed, as a number or a timedelta."
        )
    return seconds


def allows(url: str) -> bool:
    """Addresses are checked at sending."""
    try:
        origin = address_policy.origin_of(url)
        address_policy.permit(origin.host, origin.port)
    except address_policy.Refused:
        return False
    return True


def _body(json: Any, data: str | None, refuse: Refuse) -> str:
    if json is None:
        if not isinstance(data, str | None):
            refuse(f"data must be a text, not {type(data).__name__}.")
        text = data or ""
    else:
        try:
            text = encode(json)
            decode(text)  # the endpoint would refuse a name twice or too long a number
        except Unfit as unfit:
            refuse(f"json cannot be written: it {unfit}")
    size = size_of(text)
    if size > BODY_LIMIT:
        refuse(f"the body has {size:,} bytes; at most {BODY_LIMIT:,} are allowed.")
    return text


def _refuse_secrets(url: str, body: str, refuse: Refuse) -> None:
    for name in names_in(url) + names_in(body):
        refuse(
            f"the URL or the body holds the value of settings.{name}, which rows would keep; pass "
            f'it as a header, with Secret("{name}").'
        )


def _refuse_in_clear(url: str, headers: dict[str, Any], refuse: Refuse) -> None:
    is_secret = any(isinstance(value, dict) for value in headers.values())
    if is_secret and not address_policy.is_confidential(url):
        refuse(
            f"{quoted(url, 200)} would send a secret in clear; use https://, or name the host in "
            'JOBS["PRIVATE_HOSTS"] if the network between is yours.'
        )


def _headers(headers: Any, refuse: Refuse) -> dict[str, Any]:
    """A name in two spellings (`X-A`, `x-a`) is refused."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        refuse(f"headers must be a dict, not {type(headers).__name__}.")
    found = {_header_name(n, refuse): _header(n, value, refuse) for n, value in headers.items()}
    if len({name.lower() for name in found}) < len(headers):
        refuse("headers: a name is given twice; capitals do not matter in it.")
    size = sum(len(name) + size_of(str(value)) for name, value in found.items())
    if size > HEADERS_LIMIT:
        refuse(f"headers have {size:,} bytes; at most {HEADERS_LIMIT:,} are allowed.")
    return found


def _header_name(name: Any, refuse: Refuse) -> str:
    for secret in names_in(name) if isinstance(name, str) else ():
        refuse(
            f"the header's name {quoted(name)} holds the value of settings.{secret}. Only the "
            f'value of a header can be a secret: Secret("{secret}").'
        )
    if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
        refuse(f"{quoted(name)} is not a header's name; letters, digits and hyphens are allowed.")
    return str.__str__(name)


def _header(name: Any, value: Any, refuse: Refuse) -> Any:
    if isinstance(value, Secret):
        value.value()  # raises now for a missing setting, not in flight
        for secret in names_in(value.template):
            refuse(f"the template of header {quoted(name)} holds the value of settings.{secret}.")
        return value.reference()
    if not isinstance(value, str) and not is_number(value):
        kind = type(value).__name__
        refuse(f"header {quoted(name)} is of type {kind}; a text, a number or a Secret is allowed.")
    try:
        text = plain(value) if isinstance(value, str) else str(value)
    except ValueError:
        refuse(f"header {quoted(name)} is a number with too many digits.")
    reference = reference_for(text)
    is_reference = reference != text
    for secret in () if is_reference else names_in(text):
        refuse(
            f"header {quoted(name)} holds the value of settings.{secret}, which rows would keep; "
            f"pass {way_out(text, secret)}."
        )
    if CONTROL.search(text) or text != text.strip():
        refuse(f"header {quoted(name)} holds a line break, or begins or ends with a space.")
    if not is_text(text):
        refuse(f"header {quoted(name)} holds a lone surrogate, which cannot be sent.")
    return reference


def where_to_go_on(earlier: FetchRecord | None, step: StepRecord) -> str:
    """The result URL for the next attempt to ask, instead of sending again: a 303 promised the
    response there. A broken-off poll or a proxy's error does not undo that; any other response, and
    an operator's retry, do.
    """
    if earlier is None or not step.attempts or not earlier.result_url:
        return ""
    if earlier.error is not None:
        return "" if earlier.error.get("final") else earlier.result_url
    status = (earlier.response_head or {}).get("status_code")
    return earlier.result_url if status in ASK_AGAIN else ""


def accepted_statuses(given: Any, step_name: str) -> frozenset[int]:
    statuses = [given] if isinstance(given, int) else given
    is_list = isinstance(statuses, Iterable) and not isinstance(statuses, str | bytes | Mapping)
    found = list(islice(statuses, MAX_ACCEPTED + 1)) if is_list else []
    if not is_list or len(found) > MAX_ACCEPTED or not all(map(_is_bad_status, found)):
        raise InvalidStep(
            f"step.fetch(“{step_name}”): accept={quoted(given)}; statuses from 400 to 599 are "
            "allowed, as [402, 404]. An answer below 400 is returned anyway."
        )
    return frozenset(map(int, found))


def _is_bad_status(given: Any) -> bool:
    return is_whole(given) and 400 <= given <= 599


def problem(request: FetchRecord, now: datetime, accepted: Container[int] = ()) -> JobsError | None:
    """An ended request's error; None for a usable answer or an accepted status."""
    asked = f"{request.method} {request.url}"
    if request.error is not None:
        kind = NonRetriableError if request.error.get("final") else FetchError
        message = f"{asked}: {request.error.get('message', '')}"
        return kind(message, code=request.error.get("code", ""))
    head = request.response_head or {}
    status = head.get("status_code", 0)
    if status < 400 or status in accepted:
        return None
    return _bad_status(asked, head, now)


def _bad_status(asked: str, head: dict[str, Any], now: datetime) -> JobsError:
    status = head["status_code"]
    message = f"{asked} answered {status}: {head.get('start') or 'an empty body'}"
    if status < 500 and status not in RETRIABLE:
        return NonRetriableError(message, code=FetchCode.HTTP_4XX, status_code=status)
    code = FetchCode.HTTP_4XX if status < 500 else FetchCode.HTTP_5XX
    error = FetchError(message, code=code, status_code=status)
    later = head.get("retry_after")
    error.retry_after = header_seconds(later, now) if later else None
    return error


@dataclass(slots=True, eq=False)
class FetchRecord:
    """A row of jobs_fetch without the ORM."""

    step_name: str
    idempotency_key: str
    method: str
    url: str
    headers: dict[str, Any]
    body: str
    timeout: float
    id: uuid.UUID | str = field(default_factory=new_key)
    status: str = FetchStatus.PENDING
    attempt: int = 0
    lease_token: uuid.UUID | None = None
    lease_until: datetime | None = None
    response_head: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    result_url: str = ""
