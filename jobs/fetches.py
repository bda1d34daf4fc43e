"""HTTP requests as a run sees them: how one is prepared, what its answer means."""

from __future__ import annotations

import json as jsonlib
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from jobs import addresses, conf
from jobs.backoff import header_seconds
from jobs.errors import FetchError, InvalidStep, NonRetriableError
from jobs.excerpts import excerpt, quoted
from jobs.records import FetchRecord, StepRecord
from jobs.secrets import Secret, names_in, reference_for, way_out
from jobs.values import ENCODER, is_text

DEFAULT_TIMEOUT = 300.0
LONGEST_TIMEOUT = 7200.0
BODY_LIMIT = 4 * 1024 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Answers that another try may better: timeout, too early, too many requests, and what a server
# says when the fault is its own (RFC 9110 §15.5.9, RFC 8470, RFC 6585).
RETRIABLE = frozenset({408, 425, 429})
ASK_AGAIN = RETRIABLE | {502, 503, 504}

Refuse = Callable[[str], NoReturn]


class Response:
    """A remembered answer."""

    def __init__(self, memory: dict[str, Any]) -> None:
        self.url: str = memory.get("url", "")
        self.status_code: int = memory["status_code"]
        self.headers: dict[str, str] = memory.get("headers", {})
        self.text: str = memory.get("body", "")

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    def json(self) -> Any:
        """The body as JSON; raises NonRetriableError with its first lines if it is none."""
        try:
            return jsonlib.loads(self.text)
        except (ValueError, RecursionError):
            start = excerpt(self.text.strip(), 200) or "nothing"
            raise NonRetriableError(f"The answer of {self.url} is not JSON: {start}") from None

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


def prepare(
    run_id: uuid.UUID,
    step_name: str,
    url: str,
    method: str,
    json: Any,
    data: str | None,
    headers: dict[str, Any] | None,
    timeout: float,
) -> FetchRecord:
    """An unsaved request, secrets by reference; or InvalidStep that says what is wrong."""

    def refuse(problem: str) -> NoReturn:
        raise InvalidStep(f"step.fetch(“{step_name}”): {problem}")

    verb = str(method).upper()
    if verb not in METHODS:
        refuse(f"method {quoted(method)}; {', '.join(METHODS)} are allowed.")
    if not allows(url):
        hosts = ", ".join(conf.allowed_hosts()) or "none"
        refuse(f"{quoted(url, 200)} is not an http(s) URL of an allowed host ({hosts}).")
    if not 0 < timeout <= LONGEST_TIMEOUT:
        refuse(f"timeout={timeout!r}; more than 0 and at most {LONGEST_TIMEOUT:g} s are allowed.")
    if json is not None and data is not None:
        refuse("give either json or data, not both.")
    body = _body(json, data, refuse)
    if not is_text(url) or not is_text(body):
        refuse("the URL or the body holds a NUL or a lone surrogate, which cannot be stored.")
    _refuse_secrets(url, body, refuse)
    key = f"{run_id}:{step_name}"
    sent = {"Content-Type": "application/json"} if json is not None else {}
    sent |= {"Idempotency-Key": key}
    return FetchRecord(
        step_name=step_name,
        method=verb,
        url=url,
        headers=sent | _headers(headers or {}, refuse),
        body=body,
        timeout=timeout,
        idempotency_key=excerpt(key, 100),
    )


def allows(url: str) -> bool:
    """Whether settings allow a request to this URL: JOBS["ALLOWED_HOSTS"] holds hosts, or
    host:port pairs; what its name leads to is seen when it is sent."""
    try:
        origin = addresses.origin_of(url)
        addresses.permit(origin.host, origin.port)
    except addresses.Refused:
        return False
    return True


def _body(json: Any, data: str | None, refuse: Refuse) -> str:
    if json is None:
        if not isinstance(data, str | None):
            refuse(f"data must be a text, not {type(data).__name__}.")
        return data or ""
    try:
        return ENCODER.encode(json)
    except (TypeError, ValueError) as error:
        refuse(f"json cannot be written: {error}.")


def _refuse_secrets(url: str, body: str, refuse: Refuse) -> None:
    for name in names_in(url) + names_in(body):
        refuse(
            f"the URL or the body holds the value of settings.{name}, which rows would keep; pass "
            f'it as a header, with Secret("{name}").'
        )


def _headers(given: dict[str, Any], refuse: Refuse) -> dict[str, Any]:
    """As rows hold them: a secret by reference, never a value of one, whole or in part."""
    return {_header_name(name, refuse): _header(name, v, refuse) for name, v in given.items()}


def _header_name(name: Any, refuse: Refuse) -> str:
    if not isinstance(name, str) or not is_text(name):
        refuse(f"{quoted(name)} is not a header's name.")
    for secret in names_in(name):
        refuse(
            f"the header's name {quoted(name)} holds the value of settings.{secret}. Only the "
            f'value of a header can be a secret: Secret("{secret}").'
        )
    return str(name)


def _header(name: str, value: Any, refuse: Refuse) -> Any:
    if isinstance(value, Secret):
        value.value()  # a missing one is said now, not in flight
        for secret in names_in(value.template):
            refuse(f"the template of header {quoted(name)} holds the value of settings.{secret}.")
        return value.reference()
    text = str(value)
    if any(c in name + text for c in "\r\n\0"):
        refuse(f"header {quoted(name)} holds a line break.")
    if not is_text(text):
        refuse(f"header {quoted(name)} holds a lone surrogate, which cannot be stored.")
    reference = reference_for(text)
    for secret in names_in(text) if reference == text else []:
        refuse(
            f"header {quoted(name)} holds the value of settings.{secret}, which rows would keep; "
            f"pass {way_out(text, secret)}."
        )
    return reference


def where_to_go_on(earlier: FetchRecord | None, step: StepRecord) -> str:
    """The result URL that the next attempt asks, instead of sending the request again.

    A 303 said that the answer will be there; that the asking broke off, or that a proxy answered
    for the endpoint, does not undo it. Anything else does, and so does a person's retry.
    """
    if earlier is None or not step.attempts or not earlier.result_url:
        return ""
    if earlier.error is not None:
        return "" if earlier.error.get("final") else earlier.result_url
    status = (earlier.response or {}).get("status_code")
    return earlier.result_url if status in ASK_AGAIN else ""


def problem(request: FetchRecord, now: datetime) -> Exception | None:
    """The error that an ended request amounts to; None if its answer can be used."""
    if request.error is not None:
        message = f"{request.method} {request.url}: {request.error.get('message', '')}"
        if request.error.get("final"):
            return NonRetriableError(message)
        return FetchError(message)
    answer = request.response or {}
    status = answer.get("status_code", 0)
    if status < 400:
        return None
    start = answer.get("start") or "an empty body"
    message = f"{request.method} {request.url} answered {status}: {start}"
    if status < 500 and status not in RETRIABLE:
        return NonRetriableError(message)
    error = FetchError(message)
    asked = answer.get("retry_after")
    seconds = header_seconds(asked, now) if asked else None
    if seconds is not None:
        error.retry_after = seconds  # type: ignore[attr-defined]
    return error
