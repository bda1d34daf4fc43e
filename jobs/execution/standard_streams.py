"""The worker's standard streams, lent to a step's body. A lent stream acts on the worker's, except:

1. A close ends the loan: the worker's stream, `buffer` and `raw` stay open for the next run.
2. Standard output is captured, bytes as text. It reaches the console in masked lines, each held
   until it is whole or very long, or the body ends. Other threads' text goes on at once, masked
   within each write.
3. A failing console (broken pipe, full disk, missing character) is not the body's error.
4. Standard output is no terminal: colors and cursor moves would end in the log lines.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

from jobs.lib.secrets import mask, mask_begun

Capture = Callable[[str], bool]
Put = Callable[[str], None]

MAX_LINE = 65_536  # characters held of a line

BENEATH = ("buffer", "raw")
CLOSED = "I/O operation on closed file."


class LentStream:
    def __init__(self, stream: Any) -> None:
        self._stream, self._is_over = stream, False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        return self._lent(found) if name in BENEATH else found

    def _lent(self, stream: Any) -> LentStream:
        return LentStream(stream)

    def write(self, data: Any) -> Any:
        self._raise_if_closed()
        return self._stream.write(data)

    def writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._raise_if_closed()
        self._stream.flush()

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(OSError, ValueError):
                self.flush()
        self._is_over = True

    def detach(self) -> Any:
        self._raise_if_closed()
        name = next((name for name in BENEATH if hasattr(self._stream, name)), "detach")
        beneath = getattr(self, name)
        self.close()
        return beneath

    @property
    def closed(self) -> bool:
        return self._is_over or bool(self._stream.closed)

    def _raise_if_closed(self) -> None:
        if self._is_over:
            raise ValueError(CLOSED)

    # --- Python asks the class for these ---------------------------------------------------------

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._stream)

    def __enter__(self) -> LentStream:
        self._raise_if_closed()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> LentStream:
        return self

    def __next__(self) -> Any:
        return next(self._stream)

    def __repr__(self) -> str:
        return repr(self._stream)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return self._stream.__reduce_ex__(protocol)


class _Held(threading.local):
    def __init__(self) -> None:
        self.lines: dict[int, _Line] = {}


_held = _Held()


class _Line:
    def __init__(self, put: Put) -> None:
        self._put = put
        self._pieces: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        *whole, rest = str.rpartition(text, "\n")
        if whole[1]:
            self.end("".join(whole))
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
        if self._size > MAX_LINE:
            told, rest = mask_begun("".join(self._pieces))
            self._put(told)
            self._pieces, self._size = [rest], 0

    def end(self, text: str = "") -> None:
        line = "".join([*self._pieces, text])
        self._pieces, self._size = [], 0
        if line:
            self._put(mask(line))


def _go_on(stream: Any, put: Put, text: str, *, heard: bool) -> None:
    if not heard:
        put(mask(text))
        return
    line = _held.lines.get(id(stream))
    if line is None:
        line = _held.lines[id(stream)] = _Line(put)
    line.add(text)


def _forget_lines() -> None:
    """The parent writes them."""
    _held.lines = {}


os.register_at_fork(after_in_child=_forget_lines)


def end_lines() -> None:
    lines, _held.lines = _held.lines, {}
    for line in lines.values():
        line.end()


class CapturedStream(LentStream):
    """See (2) to (4). The console may be None."""

    def __init__(self, console: Any, hear: Capture) -> None:
        super().__init__(console)
        self._hear = hear
        self._decoder: codecs.IncrementalDecoder | None = None

    def _lent(self, stream: Any) -> LentStream:
        return _CapturedBytes(stream, self._hear_bytes)

    def write(self, text: str) -> int:
        self._raise_if_closed()
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        said = str.__str__(text)
        _go_on(self._stream, self._put, said, heard=self._hear(said))
        return len(said)

    def _put(self, text: str) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):  # (3)
                self._write(text)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._encoding
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        self._raise_if_closed()
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        return False

    def _hear_bytes(self, data: bytes) -> bool:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder(self._encoding)("backslashreplace")
        return self._hear(self._decoder.decode(data))

    @property
    def _encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"


class _CapturedBytes(LentStream):
    def __init__(self, stream: Any, hear: Callable[[bytes], bool]) -> None:
        super().__init__(stream)
        self._hear = hear

    def _lent(self, stream: Any) -> LentStream:
        return _CapturedBytes(stream, self._hear)

    def write(self, data: Any) -> int:
        self._raise_if_closed()
        size = memoryview(data).nbytes  # TypeError for text
        said = bytes(data)
        _go_on(self._stream, self._put, said.decode("latin-1"), heard=self._hear(said))
        return size

    def _put(self, text: str) -> None:
        """Bytes are held as Latin-1, for the mask."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text.encode("latin-1"))
