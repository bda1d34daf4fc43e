"""No statement of the engine is compiled.

PostgreSQL compiles a statement (JIT) whose plan it takes for dear: `jit_above_cost`, 100,000 by
default. What it thinks of a table without statistics, or of a plan that the engine has shut out
(statements.read_by_index), is far above that, and to compile takes a quarter of a second where the
statement itself takes a fraction of a millisecond. The engine's statements read few rows, each by
an index; none of them is ever worth it.

1. A direct connection has JIT switched off when Django has made it, in every process: the sites'
   that send events, and the clusters'. So the sites' own statements are not compiled either.
2. Behind a pool in transaction mode a session's settings would be the next client's. Where the
   role's JIT is on, the engine's own statements switch it off for their transaction
   (pooled_pipeline, 5). Statements of the ORM that come before them go as they are; `manage.py
   check --database default` tells how to switch JIT off for the role.
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from jobs.platform.postgres.pooled_pipeline import is_pooled, settings_of


def install() -> None:
    """From now on."""
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
