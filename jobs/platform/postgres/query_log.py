"""Clusters keep no DEBUG log of statements: Django keeps a connection's last 9,000 until a web
request begins.
"""

from __future__ import annotations

from collections import deque
from typing import Any
from weakref import proxy

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class OnDemand(deque[Any]):
    """Keeps statements for CaptureQueriesContext and assertNumQueries only."""

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        super().__init__(maxlen=wrapper.queries_limit)
        self._wrapper = proxy(wrapper)

    def append(self, statement: Any) -> None:
        if self._wrapper.force_debug_cursor:
            super().append(statement)
        else:
            self.clear()


def keep_none() -> None:
    for wrapper in connections.all(initialized_only=True):
        _keep_none(connection=wrapper)
    connection_created.connect(_keep_none, dispatch_uid="jobs.platform.postgres.query_log")


def _keep_none(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if not isinstance(connection.queries_log, OnDemand):
        connection.queries_log = OnDemand(connection)
