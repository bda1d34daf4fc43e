"""Lines that sets of cancelled runs have passed by without their locks (cancellation_sets, 4)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

from django.db import connection, transaction

from jobs.runs import turns

LOOK_INTERVAL = 0.25  # seconds


class PassedLines:
    """A context, for the sets of a batch."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._looks_at = time.monotonic() + LOOK_INTERVAL

    def __enter__(self) -> PassedLines:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.look()

    def add(self, keys: Iterable[str | None]) -> None:
        """Their sets are committed."""
        self._keys.update(key for key in keys if key is not None)
        if time.monotonic() >= self._looks_at:
            self.look()

    def look(self) -> None:
        """At once, before a rest, or after the caller's commit."""
        if self._keys:
            look = partial(turns.wake_where_room_is, sorted(self._keys), 0)
            self._keys.clear()
            if connection.in_atomic_block:
                transaction.on_commit(look, robust=True)
            else:
                look()
        self._looks_at = time.monotonic() + LOOK_INTERVAL
