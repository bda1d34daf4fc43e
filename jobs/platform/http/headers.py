"""The headers that go out: the step's own, with secrets filled in, and DEFAULT_HEADERS.
fetch.request adds Content-Type and Idempotency-Key, and checks them all before the run suspends.
"""

from __future__ import annotations

import re

from jobs.lib.excerpts import quoted
from jobs.lib.secrets import resolve
from jobs.platform.http.address_policy import Refused
from jobs.platform.http.exchange import Request

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
# With each request that does not give them otherwise.
DEFAULT_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "MelodyMaker-jobs",
}
# Never as given: the body's length alone ends it.
FRAMING = {"content-length", "transfer-encoding"}


def headers_of(request: Request) -> dict[str, str]:
    """With the secrets' values. Non-ASCII text goes as UTF-8. Raises Refused."""
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


def without_content(headers: dict[str, str]) -> dict[str, str]:
    """For a GET in place of a request with a body."""
    return {name: v for name, v in headers.items() if not name.lower().startswith("content-")}


def with_defaults(headers: dict[str, str]) -> dict[str, str]:
    return DEFAULT_HEADERS | {name: v for name, v in headers.items() if name.lower() not in FRAMING}
