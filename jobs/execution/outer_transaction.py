"""The transaction around an execution: none, or a test's. Transactions that returned code left open
are undone: nothing else would end them.
"""

from __future__ import annotations

import contextlib
from typing import Any

from django.db import Error as DatabaseError
from django.db import transaction

from jobs.platform.postgres import connection_state, django_internals


class OuterTransaction:
    def __init__(self, database: Any) -> None:
        self._database = database
        self.is_there = bool(database.in_atomic_block)
        self._depth = django_internals.count_savepoints(database)
        self._savepoint = transaction.savepoint() if self.is_there else None

    def close_what_is_inside(self) -> bool:
        if self.is_there:
            return django_internals.count_savepoints(self._database) > self._depth
        if self._database.connection is not None and connection_state.is_bad(self._database):
            self._database.close()
        is_left_open = connection_state.is_left_open(self._database)
        if is_left_open:
            connection_state.drop(self._database)
        return is_left_open

    def keep(self) -> None:
        if self._savepoint is not None:
            transaction.savepoint_commit(self._savepoint)
            self._savepoint = transaction.savepoint()

    def restore(self) -> None:
        if not connection_state.is_failed(self._database):
            return
        if self._savepoint is None:
            connection_state.drop(self._database)
        else:
            roll_back_to(self._savepoint)


def roll_back_to(savepoint: str) -> None:
    transaction.set_rollback(False)  # while it is set, Django sends nothing
    with contextlib.suppress(DatabaseError):  # no database, no effects
        transaction.savepoint_rollback(savepoint)
        return
    transaction.set_rollback(True)
