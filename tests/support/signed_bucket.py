"""A bucket that lets in what is signed, as S3 does: for the method, this file, and some minutes.

Time is the bucket's and the signer's own (`Clock`), so a test need not wait for a link to end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from songs.ranges import RangeNotSatisfiable, parse_range
from tests.support.bucket import the_store

KEY, SECRET, REGION = "key", "secret", "eu-1"
LIFE = 600  # seconds of a link
STAMP = "%Y%m%dT%H%M%SZ"


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def __call__(self, remove_tzinfo: bool = True) -> datetime:
        return self.now.replace(tzinfo=None) if remove_tzinfo else self.now


@dataclass
class SignedBucket:
    """What it holds by key, its clock, and each request's method, key and status."""

    clock: Clock
    objects: dict[str, bytes] = field(default_factory=dict)
    heard: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def refused(self) -> int:
        return sum(status == 403 for _, _, status in self.heard)


@contextmanager
def a_signed_bucket(
    settings: Any, monkeypatch: pytest.MonkeyPatch, name: str = "songs"
) -> Iterator[SignedBucket]:
    """The bucket as the site's store."""
    bucket = SignedBucket(Clock())
    monkeypatch.setattr("botocore.auth.get_current_datetime", bucket.clock)
    keys = {"region_name": REGION, "access_key": KEY, "secret_key": SECRET}
    handler = _handler(bucket, f"/{name}/")
    with the_store(settings, name, handler, **keys, querystring_expire=LIFE):
        yield bucket


def is_let_in(method: str, url: str, now: datetime) -> bool:
    """Whether the link is signed for this method and has not ended."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    try:
        signed_at = datetime.strptime(asked["X-Amz-Date"], STAMP).replace(tzinfo=UTC)
        life = int(asked["X-Amz-Expires"])
        signature = asked["X-Amz-Signature"]
    except (KeyError, ValueError):
        return False
    return now < signed_at + timedelta(seconds=life) and signature == _signature(method, url)


def _signature(method: str, url: str) -> str:
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    asked = [(name, value) for name, value in query if name != "X-Amz-Signature"]
    unsigned = parts._replace(query=urlencode(asked, safe="-_.~", quote_via=quote)).geturl()
    request = AWSRequest(method=method, url=unsigned)
    request.context["timestamp"] = dict(asked)["X-Amz-Date"]
    signer = S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", REGION)
    signed = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(signed, request))


def _handler(bucket: SignedBucket, root: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a browser leaves when it has enough
                super().handle()

        @property
        def key(self) -> str:
            return self.path.partition("?")[0].removeprefix(root)

        def do_GET(self) -> None:
            url = f"http://{self.headers['Host']}{self.path}"
            if not is_let_in(self.command, url, bucket.clock.now):
                return self.answer(403)
            if self.key not in bucket.objects:
                return self.answer(404)
            return self.send(bucket.objects[self.key])

        do_HEAD = do_GET

        def send(self, content: bytes) -> None:
            size, asked = len(content), self.headers.get("Range", "")
            try:
                part = parse_range(asked, size)
            except RangeNotSatisfiable:
                return self.answer(416, b"", f"bytes */{size}")
            if part is None:
                return self.answer(200, content)
            there = f"bytes {part.start}-{part.stop - 1}/{size}"
            return self.answer(206, content[part.start : part.stop], there)

        def answer(self, status: int, body: bytes = b"", content_range: str = "") -> None:
            bucket.heard.append((self.command, self.key, status))
            asked = parse_qs(urlsplit(self.path).query)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Accept-Ranges", "bytes")
            if content_range:
                self.send_header("Content-Range", content_range)
            for name in ("content-type", "content-disposition"):
                if value := asked.get(f"response-{name}"):
                    self.send_header(name, value[0])
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
