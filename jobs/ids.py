"""Ids that sort by time (UUID version 7, RFC 9562 §5.7). Random bytes come by the hundred ids, to
save system calls; a forked process drops them, to make none of its parent's ids.
"""

from __future__ import annotations

import os
import struct
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime

TAILS = struct.Struct("128Q")

_lock = threading.Lock()
_last = 0
_tails: Iterator[int] = iter(())


def new_id() -> uuid.UUID:
    """A UUIDv7: 48 bits of Unix milliseconds, 12 that count within one: a process's ids sort in
    order.
    """
    return uuid.UUID(int=_next())


def new_key() -> str:
    """In 32 hexadecimal digits, for JSON."""
    return f"{_next():032x}"


def new_keys(count: int) -> list[str]:
    """Many of them, in half the time."""
    with _lock:
        first = _reserve(count)
    keys = []
    for number, tail in enumerate(struct.unpack(f"{count}Q", os.urandom(8 * count))):
        milliseconds, sequence = divmod(first + number, 4096)
        keys.append(f"{milliseconds:012x}7{sequence:03x}{tail >> 2 | 1 << 63:016x}")
    return keys


def as_id(given: object) -> uuid.UUID | None:
    """An id, or the text of one; None for what is neither."""
    try:
        return given if isinstance(given, uuid.UUID) else uuid.UUID(given)  # type: ignore[arg-type]
    except (AttributeError, TypeError, ValueError):
        return None


def first_id(moment: datetime) -> uuid.UUID:
    """The lowest id of that millisecond."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def _next() -> int:
    global _tails
    with _lock:
        ticks = _reserve(1)
        tail = next(_tails, None)
        if tail is None:
            _tails = iter(TAILS.unpack(os.urandom(TAILS.size)))
            tail = next(_tails)
    milliseconds, sequence = ticks >> 12, ticks & 0xFFF
    tail &= (1 << 62) - 1
    return milliseconds << 80 | 0x7 << 76 | sequence << 64 | 0b10 << 62 | tail


def _reserve(count: int) -> int:
    """The first of so many ticks, of which 4,096 are a millisecond. Under the lock."""
    global _last
    first = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
    _last = first + count - 1
    return first


def _begin_anew() -> None:
    global _lock, _tails
    _lock, _tails = threading.Lock(), iter(())


os.register_at_fork(after_in_child=_begin_anew)


def as_array(keys: Iterable[str]) -> str:
    """As PostgreSQL reads one; psycopg's own text takes three times as long."""
    return "{" + ",".join(keys) + "}"
