"""The statements that Django keeps for DEBUG's pages: a cluster has no pages, and keeps none.

With DEBUG each connection remembers its last 9,000 statements with their values, until the next web
request begins. A cluster has no requests, and its processes live for weeks.
"""

from __future__ import annotations

from collections import deque
from typing import Any
from weakref import proxy

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class OnDemand(deque[Any]):
    """Keeps what is asked for (CaptureQueriesContext, assertNumQueries), for as long as it is."""

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        super().__init__(maxlen=wrapper.queries_limit)
        self._wrapper = proxy(wrapper)

    def append(self, statement: Any) -> None:
        if self._wrapper.force_debug_cursor:
            super().append(statement)
        else:
            self.clear()


def keep_none() -> None:
    """From now on, in this process and in those that it forks, whichever thread connects."""
    for wrapper in connections.all(initialized_only=True):
        _keep_none(connection=wrapper)
    connection_created.connect(_keep_none, dispatch_uid="jobs.platform.postgres.query_log")


def _keep_none(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if not isinstance(connection.queries_log, OnDemand):
        connection.queries_log = OnDemand(connection)
