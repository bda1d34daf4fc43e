"""Connections that wait for each other, in an order that a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def others() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """What it gives starts a job in a thread with a connection of its own."""

    def closing(job: Callable[[], Any]) -> Any:
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        yield lambda job: pool.submit(closing, job)


def wait_until_blocked(sessions: int) -> None:
    """Until so many wait for somebody's lock, be it of a line or of a row."""
    blocked = 0
    while blocked < sessions:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the first
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND cardinality(pg_blocking_pids(pid)) > 0"
            )
            blocked = cursor.fetchone()[0]


class Uncommitted(threading.Thread):
    """Does a job in a transaction and leaves it open until it is told to commit."""

    def __init__(self, job: Callable[[], Any]) -> None:
        super().__init__()
        self._job = job
        self._done, self._may_commit = threading.Event(), threading.Event()

    def __enter__(self) -> Uncommitted:
        self.start()
        assert self._done.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self.commit()

    def commit(self) -> None:
        self._may_commit.set()
        self.join()

    def run(self) -> None:
        with transaction.atomic():
            self._job()
            self._done.set()
            self._may_commit.wait(30)
        connection.close()


class Alarm(Exception):
    """Out of a signal's handler, as django-q2's timeout raises one."""
