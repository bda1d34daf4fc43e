"""Switches JIT compilation off.

PostgreSQL compiles a statement whose plan looks expensive (`jit_above_cost`), as without statistics
or under statements.read_by_index. That takes a quarter of a second, the engine's statements a
fraction of a millisecond.

1. A direct connection gets `jit = off` when Django connects, in sites too.
2. Behind a pool, if the role has JIT on, the engine's statements switch it off for their
   transaction (pooled_pipeline, 5), not for earlier ORM statements. server_checks tells the remedy.
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from jobs.platform.postgres.pooled_pipeline import is_pooled, settings_of


def install() -> None:
    connection_created.connect(_switch_off, dispatch_uid="jobs.platform.postgres.jit")


def _switch_off(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.alias != DEFAULT_DB_ALIAS or connection.vendor != "postgresql":
        return
    raw = connection.connection
    if not is_pooled(connection):
        raw.execute("SET jit = off", prepare=False)
    elif raw.execute("SHOW jit", prepare=False).fetchone() == ("on",):
        settings_of(raw)["jit"] = "off"
    if not raw.autocommit:
        raw.commit()
