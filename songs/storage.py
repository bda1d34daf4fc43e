"""Send a song's files. The keys come from songs' rows, never from the browser."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date, quote_etag

from jobs.api import one_line
from songs.ranges import RangeNotSatisfiable, parse_range

logger = logging.getLogger(__name__)
CHUNK = 64 * 1024
UNKNOWN = "application/octet-stream"
# Types that the browser may show or play. It gets any other file as a download.
CONTENT_TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
KEPT = {".zip": "application/zip"}  # types that are only ever a download


def send_file(request: HttpRequest, key: str, *, title: str, download: bool) -> HttpResponseBase:
    """Stream the file under `key` if it is on this machine, else redirect (302) to a link to the
    bucket that is signed for a short time."""
    suffix = PurePosixPath(key).suffix.lower()
    content_type = (CONTENT_TYPES | KEPT).get(suffix, UNKNOWN)
    disposition = content_disposition_header(
        download or suffix not in CONTENT_TYPES, file_name(title, suffix)
    )
    try:
        path = default_storage.path(key)
    except NotImplementedError:
        return redirect_to_bucket(request, key, content_type, str(disposition))
    except SuspiciousFileOperation as problem:
        logger.error("The key of a song lies outside the storage: %s", problem)
        raise Http404 from problem
    try:
        file = open(path, "rb")  # noqa: SIM115 (the response closes it)
    except OSError as problem:
        logger.error("A song's file cannot be read: %s", problem)
        raise Http404 from problem
    response = send_local(request, file)
    response.headers["Content-Type"] = content_type
    response.headers["Content-Disposition"] = str(disposition)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def audio_type(key: str) -> str:
    """The type of the song under `key`, by its name; empty for what no browser plays."""
    content_type = CONTENT_TYPES.get(PurePosixPath(key).suffix.lower(), "")
    return content_type if content_type.startswith("audio/") else ""


def file_name(title: str, suffix: str) -> str:
    """The title as a file name that every file system accepts."""
    name = one_line("".join(" " if c in '/\\:*?"<>|' else c for c in title))
    return (name.strip(". ") or "song") + suffix


def redirect_to_bucket(
    request: HttpRequest, key: str, content_type: str, disposition: str
) -> HttpResponse:
    """The link is signed for the request's method: a bucket answers 403 to any other."""
    said = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
    url = default_storage.url(key, parameters=said, http_method=request.method)  # type: ignore[call-arg]
    response = HttpResponseRedirect(url)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def send_local(request: HttpRequest, file: IO[bytes]) -> HttpResponseBase:
    """200 with the file, 206 with a part, 304 if unchanged, 416 if the range is past the end."""
    facts = os.fstat(file.fileno())
    size, modified = facts.st_size, int(facts.st_mtime)
    etag = quote_etag(f"{facts.st_mtime_ns:x}-{size:x}")
    unchanged = get_conditional_response(request, etag, modified)
    if unchanged is not None:
        file.close()
        if unchanged.status_code == 304:  # else Django adds 0, which caches keep for the file
            unchanged.headers["Content-Length"] = str(size)
        return validated(unchanged, etag, modified)
    try:
        wanted = wanted_range(request, etag, modified, size)
    except RangeNotSatisfiable:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    part = range(size) if wanted is None else wanted
    response = body_of(request, file, part, whole=wanted is None)
    response.headers["Content-Length"] = str(len(part))
    if wanted is not None:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return validated(response, etag, modified)


def wanted_range(request: HttpRequest, etag: str, modified: int, size: int) -> range | None:
    """The requested range, unless If-Range names an older file. Only a GET has ranges (RFC 9110
    §14.2)."""
    if request.method != "GET":
        return None
    condition = request.headers.get("If-Range", "")
    if condition and condition not in (etag, http_date(modified)):
        return None
    return parse_range(request.headers.get("Range", ""), size)


def body_of(request: HttpRequest, file: IO[bytes], part: range, *, whole: bool) -> HttpResponseBase:
    if request.method == "HEAD":
        file.close()
        return HttpResponse()
    if whole:
        response = FileResponse(file)
        response.block_size = CHUNK
        return response
    return StreamingHttpResponse(read_part(file, part))


def read_part(file: IO[bytes], part: range) -> Iterator[bytes]:
    with file:
        file.seek(part.start)
        left = len(part)
        while left and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def validated(response: HttpResponseBase, etag: str, modified: int) -> HttpResponseBase:
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = etag
    response.headers["Last-Modified"] = http_date(modified)
    return response
