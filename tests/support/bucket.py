"""A bucket in this process: what boto3 asks of one to keep, read and delete whole objects."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Objects = dict[str, bytes]  # by key


@contextmanager
def a_bucket(settings: Any, name: str = "songs") -> Iterator[Objects]:
    """A bucket as the site's store, with nothing in it."""
    objects: Objects = {}
    keys = {"region_name": "eu-1", "access_key": "key", "secret_key": "secret"}
    with the_store(settings, name, _handler(objects, f"/{name}/"), **keys, file_overwrite=False):
        yield objects


@contextmanager
def the_store(
    settings: Any, name: str, handler: type[BaseHTTPRequestHandler], **options: Any
) -> Iterator[None]:
    """What answers as the bucket of this name is the site's store."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    options = {"bucket_name": name, "endpoint_url": address, **options}
    default = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(objects: Objects, root: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        @property
        def key(self) -> str:
            return self.path.partition("?")[0].removeprefix(root)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_in_chunks = "aws-chunked" in self.headers.get("Content-Encoding", "")
            objects[self.key] = b"".join(_chunks(body)) if is_in_chunks else body
            self.answer(200)

        def do_GET(self) -> None:
            found = objects.get(self.key)
            self.answer(404 if found is None else 200, found or b"")

        do_HEAD = do_GET

        def do_DELETE(self) -> None:
            objects.pop(self.key, None)
            self.answer(204)

        def answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


def _chunks(body: bytes) -> Iterator[bytes]:
    """Of `aws-chunked`: a length in hexadecimal digits before each, checksums behind the last."""
    while body:
        head, _, rest = body.partition(b"\r\n")
        length = int(head.partition(b";")[0], 16)
        if not length:
            return
        yield rest[:length]
        body = rest[length:].removeprefix(b"\r\n")
