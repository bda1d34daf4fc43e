"""No statement of the engine is compiled.

PostgreSQL compiles a statement (JIT) whose plan it takes for dear: `jit_above_cost`, 100,000 by
default. What it thinks of a table without statistics, or of a plan that the engine has shut out
(statements.read_by_index), is far above that, and to compile takes a quarter of a second where the
statement itself takes a fraction of a millisecond. The engine's statements read few rows, each by
an index; none of them is ever worth it.

1. A direct connection has JIT switched off when Django has made it, in every process: the sites'
   that send events, and the clusters'. So the sites' own statements are not compiled either.
2. Behind a pool in transaction mode a session's settings would be somebody else's next. Where the
   role's JIT is on, each trip of the engine's own statements switches it off for its transaction.
   Statements of the ORM go as they are there; `manage.py check --database default` tells how to
   switch JIT off for the role.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import psycopg
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

OFF = "SELECT set_config('jit', 'off', true)"  # for the transaction

_compiling: WeakSet[psycopg.Connection[Any]] = WeakSet()  # connections to a pool, see (2)


def install() -> None:
    """From now on."""
    connection_created.connect(_switch_off, dispatch_uid="jobs.jit")


def is_pooled(here: BaseDatabaseWrapper) -> bool:
    """Whether it leads to a pool in transaction mode."""
    return bool(here.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"))


def is_on(raw: psycopg.Connection[Any]) -> bool:
    """Whether statements would be compiled on this connection."""
    return raw in _compiling


def _switch_off(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.alias != DEFAULT_DB_ALIAS or connection.vendor != "postgresql":
        return
    raw = connection.connection
    if not is_pooled(connection):
        raw.execute("SET jit = off", prepare=False)
    elif raw.execute("SHOW jit", prepare=False).fetchone() == ("on",):
        _compiling.add(raw)
    if not raw.autocommit:
        raw.commit()
