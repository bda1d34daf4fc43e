"""The names of what a direct connection's session has prepared.

After a change of plans (plan_changes) a statement is prepared anew by another name: the server may
have forgotten the old one or not. Closing that, in a later trip, is never an error. Left open, the
old names of a step that changes a table each time would fill the server's memory.
"""

from __future__ import annotations

import itertools

from psycopg import capabilities

from jobs.platform.postgres.psycopg_internals import Key


class PreparedNames:
    def __init__(self) -> None:
        self._names: dict[Key, bytes] = {}
        self._old: list[bytes] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._names) + len(self._old)

    def new(self) -> bytes:
        return b"jobs_%d" % next(self._numbers)

    def get(self, key: Key) -> bytes | None:
        return self._names.get(key)

    def add(self, key: Key, name: bytes) -> None:
        self._names[key] = name

    def forget(self) -> None:
        if capabilities.has_send_close_prepared():
            self._old += self._names.values()
        self._names.clear()

    def take_old(self) -> list[bytes]:
        old, self._old = self._old, []
        return old
