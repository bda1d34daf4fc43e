"""`manage.py check --database default`, also run by `migrate`: what does not suit the engine in the
server, the role, or a pool. The checks' ordinary connections have the settings of server, database,
role and `DATABASE_URL`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.db import DEFAULT_DB_ALIAS, DatabaseError, NotSupportedError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs import conf
from jobs.platform.postgres import role_privileges, session_settings

VENDOR = "postgresql"
OLDEST_TESTED = 14  # tested PostgreSQL
PATIENCE = 2.0
MANY_PAGES = 1_000  # a smaller table is read as fast without statistics
POOLED = "DISABLE_SERVER_SIDE_CURSORS"
UNKNOWN_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid IN (to_regclass('jobs_run'), to_regclass('jobs_event'), to_regclass('jobs_step'))
   AND pg_relation_size(c.oid) > %s * current_setting('block_size')::int
   AND (c.reltuples = 0 OR NOT EXISTS (
       SELECT 1 FROM pg_stats s WHERE (s.schemaname, s.tablename) = (n.nspname, c.relname)))
 ORDER BY 1
"""


def check_vendor(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An error for a default database of another kind (`jobs.E035`), or whose transactions are the
    site's own (`jobs.E037`); asks no server."""
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    if vendor == VENDOR:
        return [] if _commits() else [_without_autocommit()]
    what = f"DATABASES['{DEFAULT_DB_ALIAS}'] is {vendor}: the engine's tables need PostgreSQL."
    hint = f'Set ENGINE to "django.db.backends.postgresql", {OLDEST_TESTED} or newer.'
    return [Error(what, hint=hint, id="jobs.E035")]


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Errors where the engine cannot work, warnings where it works badly."""
    is_asked = DEFAULT_DB_ALIAS in (kwargs.get("databases") or [])
    if not is_asked or connections[DEFAULT_DB_ALIAS].vendor != VENDOR or not _commits():
        return []
    with _session() as here:
        refusal = _refused(here) or _too_old(here) or _without_transactions(here)
        if refusal is not None:
            return [refusal]
        looks: tuple[Callable[[BaseDatabaseWrapper], list[CheckMessage]], ...] = (
            _deaf,
            role_privileges.check,
            session_settings.check,
            _compiling,
            _without_statistics,
        )
        return [problem for look in looks for problem in look(here)]


def _commits() -> bool:
    return bool(connections[DEFAULT_DB_ALIAS].settings_dict["AUTOCOMMIT"])


def _without_autocommit() -> CheckMessage:
    what = (
        f"DATABASES['{DEFAULT_DB_ALIAS}']['AUTOCOMMIT'] is off: the engine's work outside of "
        "atomic blocks would not be committed, and no NOTIFY sent."
    )
    hint = "Leave AUTOCOMMIT out, which is on in Django. transaction.atomic() opens a transaction."
    return Error(what, hint=hint, id="jobs.E037")


@contextmanager
def _session(alias: str = DEFAULT_DB_ALIAS) -> Iterator[BaseDatabaseWrapper]:
    here = connections[alias].copy()
    try:
        yield here
    finally:
        here.close()


def _refused(here: BaseDatabaseWrapper) -> CheckMessage | None:
    try:
        here.ensure_connection()
    except NotSupportedError as error:
        return _older_than_promised(str(error))
    except DatabaseError as error:
        if "unsupported startup parameter" not in str(error):
            raise
        return _pool_unnamed()
    return None


def _too_old(here: BaseDatabaseWrapper) -> CheckMessage | None:
    version = here.connection.info.server_version // 10_000
    return None if version >= OLDEST_TESTED else _older_than_promised(f"The server is {version}.")


def _older_than_promised(what: str) -> CheckMessage:
    hint = f"The engine is tested with PostgreSQL {OLDEST_TESTED} and newer. Upgrade the server."
    return Error(f"The server's PostgreSQL is too old. {what}", hint=hint, id="jobs.E010")


def _without_transactions(here: BaseDatabaseWrapper) -> CheckMessage | None:
    try:
        with here.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("COMMIT")
    except DatabaseError as error:
        if "statement pooling" not in str(error):
            raise
        return Error(
            f"The pool before the database takes no transactions: {str(error).splitlines()[0]}.",
            hint="Let it pool by transaction or by session (PgBouncer: pool_mode).",
            id="jobs.E011",
        )
    return None


def _deaf(here: BaseDatabaseWrapper) -> list[CheckMessage]:
    """Whether NOTIFY arrives. Through a pool in transaction mode LISTEN would go on for other
    clients.
    """
    if not here.settings_dict.get(POOLED):
        with _session() as other:
            return [] if _hears(here, other) else [_pool_unnamed()]
    direct = conf.listen()
    if direct is None:
        what = "Clusters are not told of due runs: a pool in transaction mode swallows LISTEN."
        hint = (
            "They look ten times a second instead. Give them a direct connection for that alone: "
            "DATABASE_LISTEN_URL."
        )
        return [Warning(what, hint=hint, id="jobs.W010")]
    with _session(direct) as listening:
        if _hears(listening, here):
            return []
    what = "No NOTIFY of DATABASE_URL arrives at DATABASE_LISTEN_URL: they lead to two databases."
    hint = "Let both name the same database, one through the pool and one past it."
    return [Warning(what, hint=hint, id="jobs.W020")]


def _pool_unnamed() -> CheckMessage:
    what = (
        "DATABASE_URL leads to a pool in transaction mode and does not say so: what a session "
        "prepares and sets would be another one's, and no NOTIFY arrives."
    )
    hint = (
        "Write ?disable_server_side_cursors=true&conn_max_age=0 behind the URL. A pool in session "
        "mode needs ignore_startup_parameters = options instead."
    )
    return Error(what, hint=hint, id="jobs.E012")


def _hears(here: BaseDatabaseWrapper, other: BaseDatabaseWrapper) -> bool:
    channel = f"jobs_check_{uuid.uuid4().hex}"
    with here.cursor() as cursor, other.cursor() as others:
        cursor.execute(f"LISTEN {channel}")
        others.execute(f"NOTIFY {channel}")
        heard = next(here.connection.notifies(timeout=PATIENCE, stop_after=1), None)
        cursor.execute(f"UNLISTEN {channel}")
    return heard is not None


def _compiling(here: BaseDatabaseWrapper) -> list[CheckMessage]:
    """On direct connections the engine switches it off (jit)."""
    with here.cursor() as cursor:
        cursor.execute("SELECT current_setting('jit')::bool AND pg_jit_available()")
        is_on = cursor.fetchone() == (True,)
    if not is_on or not here.settings_dict.get(POOLED):
        return []
    what = "JIT is on, and behind a pool in transaction mode no session can switch it off for good."
    hint = "To compile a statement takes a quarter of a second: ALTER ROLE … SET jit = off."
    return [Warning(what, hint=hint, id="jobs.W019")]


def _without_statistics(here: BaseDatabaseWrapper) -> list[CheckMessage]:
    with here.cursor() as cursor:
        cursor.execute(UNKNOWN_TABLES, [MANY_PAGES])
        names = ", ".join(name for (name,) in cursor.fetchall())
    if not names:
        return []
    what = (
        f"PostgreSQL has no statistics of {names}, as after a restore or a major upgrade, or those "
        "of an empty table."
    )
    hint = "Statements read more than they need. Run vacuumdb --analyze-in-stages."
    return [Warning(what, hint=hint, id="jobs.W011")]
