"""A request on its way in: its bytes so far, and whether all of it is there."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from melodymaker.bodies import body_limit

MAX_HEADERS = 32 * 1024  # bytes
END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
FILE = re.compile(rb"/songs/[^/]+/(audio|cover)$|/admin/songs/song/[^/]+/(audio|cover)|/static/")


class Arrival:
    """`is_whole` once a thread needs not wait for more. `is_cut` if there is more that is not
    awaited: a body over the limit, which no thread reads, or one in chunks, whose end threads find.
    `is_endless` if its headers are too long to be awaited."""

    def __init__(self, held: bytes = b"") -> None:
        self.data = bytearray(held)
        self.is_cut = self.is_whole = self.is_endless = False
        self.missing: int | None = None  # bytes; None until the headers are whole
        self.look()

    def add(self, data: bytes) -> None:
        self.data += data
        self.look()

    def look(self) -> None:
        if self.missing is None and not self._read_headers():
            self.is_endless = self.is_whole = len(self.data) > MAX_HEADERS
            return
        self.is_whole = self.is_cut or len(self.data) >= (self.missing or 0)

    def _read_headers(self) -> bool:
        end = self.data.find(END)
        if end < 0:
            return False
        headers = bytes(memoryview(self.data)[: end + 2])
        stated = LENGTH.search(headers)
        length = int(stated[1]) if stated else 0
        self.is_cut = length > body_limit(self.path) or bool(CHUNKED.search(headers))
        self.missing = end + len(END) + length
        return True

    @property
    def wants_to_be_told(self) -> bool:
        """Whether the client waits for “100 Continue” before it sends the body."""
        return not self.is_whole and self.missing is not None and bool(CONTINUE.search(self.data))

    @property
    def path(self) -> str:
        """As Django will see it."""
        target = bytes(self.data).partition(b"\r\n")[0].split(b" ")
        whole = target[1] if len(target) > 1 else b""
        return unquote_to_bytes(whole.partition(b"?")[0]).decode("latin-1")

    @property
    def is_for_a_file(self) -> bool:
        return bool(FILE.match(self.path.encode("latin-1")))
