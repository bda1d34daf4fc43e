"""A response's body: read within its limits, unpacked, as text."""

from __future__ import annotations

import codecs
import io
from email.message import Message
from functools import lru_cache
from http.client import IncompleteRead

import urllib3
from requests import Response
from urllib3.exceptions import DecodeError, ProtocolError

from jobs.lib.excerpts import quoted
from jobs.platform.http.error_text import Broken, Unusable, cause_in_words, innermost
from jobs.platform.http.exchange import BODY_LIMIT

CHUNK = 65_536
PIECE = 4_096  # bytes: of each packed member, urllib3 copies what follows in the piece
HEADERS_LIMIT = 65_536  # characters
TYPE_LIMIT = 1_000  # characters: reading a Content-Type may cost the square of its length

CONTENT_CODINGS = {"", "identity", "gzip", "x-gzip", "deflate"}
# Python's codecs of host names. They are no charsets, and cost the square of a text's length.
HOST_NAME_CODECS = {"idna", "punycode"}


def read_body(response: Response) -> bytes:
    if response.status_code < 200:
        raise Broken(f"it said {response.status_code} and no more")
    if sum(len(name) + len(value) for name, value in response.headers.items()) > HEADERS_LIMIT:
        raise Unusable(f"the answer's headers are larger than {HEADERS_LIMIT // 1024} KiB")
    _refuse_over_limit(response.raw.length_remaining or 0)
    body = bytearray()
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            body += chunk
            _refuse_over_limit(len(body))
    except ProtocolError as error:
        reason = innermost(error)
        how = "" if isinstance(reason, IncompleteRead) else f": {cause_in_words(reason)}"
        raise Broken(f"the answer broke off after {len(body)} bytes{how}") from error
    return _unpack(bytes(body), response.headers.get("Content-Encoding", "").strip())


def _unpack(body: bytes, packing: str) -> bytes:
    if packing.lower() not in CONTENT_CODINGS:
        raise Unusable(f"the answer is packed as {quoted(packing, 40)}, which was not asked for")
    if not packing:
        return body
    packed = urllib3.HTTPResponse(
        io.BytesIO(body), {"Content-Encoding": packing}, preload_content=False
    )
    unpacked = bytearray()
    try:
        while piece := packed.read(PIECE, decode_content=True):
            unpacked += piece
            _refuse_over_limit(len(unpacked))
    except DecodeError:
        raise Broken(f"the answer cannot be unpacked: it is not {packing}") from None
    return bytes(unpacked)


def _refuse_over_limit(size: int) -> None:
    if size > BODY_LIMIT:
        raise Unusable(f"the answer is larger than {BODY_LIMIT // 2**20} MiB")


def text_of(body: bytes, content_type: str) -> str:
    try:
        charset = _charset(content_type[:TYPE_LIMIT])
        return clean_text(body.decode("utf-8-sig" if charset == "utf-8" else charset, "replace"))
    except (LookupError, ValueError):
        return clean_text(body.decode("utf-8-sig", "replace"))


@lru_cache
def _charset(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    charset = header.get_content_charset() or "utf-8"
    return "utf-8" if codecs.lookup(charset).name in HOST_NAME_CODECS else charset


def clean_text(text: str) -> str:
    """As PostgreSQL can store it."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
