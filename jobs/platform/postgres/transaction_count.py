"""How many transactions a connection has begun, to notice code that ends one by hand.

psycopg silently begins the next one. So each cursor looks, before and after it sends, whether one
is open. A cursor that is not the connection's own (say Django's for `iterator()`) is not seen, but
the end of the transaction before it is. Nor is what `raw.transaction()` begins: behind a pool the
ends by `commit` and `rollback` are counted, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from jobs.platform.postgres import plan_changes

BEGUN = "jobs_transactions_begun"
ENDED = "jobs_transactions_ended"
IDLE = TransactionStatus.IDLE


def begun(raw: psycopg.Connection[Any]) -> int:
    count: int = vars(raw).get(BEGUN, 0)
    return count


def add(raw: psycopg.Connection[Any]) -> None:
    vars(raw)[BEGUN] = begun(raw) + 1


def add_if_begins(raw: psycopg.Connection[Any]) -> None:
    if not raw.autocommit and raw.pgconn.transaction_status == IDLE:
        add(raw)


class Counting(psycopg.Cursor[Any]):
    """A cursor mixin that counts the transactions its statements begin. One that ends a transaction
    counts for the next, too, which may begin unseen.
    """

    def execute(self, query: Any, *given: Any, **options: Any) -> Counting:
        add_if_begins(self.connection)
        super().execute(query, *given, **options)
        add_if_begins(self.connection)
        plan_changes.notice(self)
        return self

    def executemany(self, *given: Any, **options: Any) -> None:
        add_if_begins(self.connection)
        super().executemany(*given, **options)
        add_if_begins(self.connection)

    def copy(self, *given: Any, **options: Any) -> Any:
        add_if_begins(self.connection)
        return super().copy(*given, **options)

    def stream(self, *given: Any, **options: Any) -> Any:
        add_if_begins(self.connection)
        return super().stream(*given, **options)


def count(raw: psycopg.Connection[Any]) -> None:
    """What it begins and ends."""
    factory: Any = raw.cursor_factory
    raw.cursor_factory = _counting(factory)
    own: Any = raw
    for name in ("commit", "rollback"):
        setattr(own, name, _counted(own, getattr(own, name)))


def numbers(raw: psycopg.Connection[Any]) -> tuple[int, int]:
    """Of the transactions begun, and of those ended."""
    return begun(raw), vars(raw).get(ENDED, 0)


def _counted(raw: psycopg.Connection[Any], end: Callable[[], None]) -> Callable[[], None]:
    def counted() -> None:
        vars(raw)[ENDED] = vars(raw).get(ENDED, 0) + 1
        end()

    return counted


@cache
def _counting(kind: Any) -> Any:
    return kind if issubclass(kind, Counting) else type(kind.__name__, (Counting, kind), {})
