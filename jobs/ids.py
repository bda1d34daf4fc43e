"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562 §5.7)."""

from __future__ import annotations

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def new_id() -> uuid.UUID:
    """A UUIDv7: 48 bits of Unix milliseconds, then a 12-bit part that counts within the
    millisecond so that ids made by one process sort in the order of their making."""
    return uuid.UUID(int=_next())


def new_key() -> str:
    """The same in 32 hexadecimal digits, for a row that travels as JSON."""
    return f"{_next():032x}"


def _next() -> int:
    global _last
    with _lock:
        ticks = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
        _last = ticks
    milliseconds, sequence = ticks >> 12, ticks & 0xFFF
    tail = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return milliseconds << 80 | 0x7 << 76 | sequence << 64 | 0b10 << 62 | tail
