"""Whether the engine's statements go prepared over libpq's pipeline (pipeline), or by plain cursors
(plain_statements), with psycopg's public parts alone.

Plain cursors serve where `JOBS["PIPELINE"]` is False or the pipeline is untested with this psycopg.
The check and, once, each process's log say so. A connection keeps its way.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from django.core.checks import CheckMessage, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from jobs import conf
from jobs.platform.postgres import psycopg_internals

logger = logging.getLogger("jobs.engine")

PLAIN = "The engine's statements go by plain cursors: they are not prepared, and cost more."
_found: str | None = None  # by the probe; None before the first connection


def install() -> None:
    """Probe the process's first connection."""
    connection_created.connect(_probe, dispatch_uid="jobs.platform.postgres.pipeline_switch")


def is_on() -> bool:
    return not _why_not()


def _why_not() -> str:
    """A sentence; empty with the pipeline."""
    if not conf.pipeline():
        return 'JOBS["PIPELINE"] is False.'
    return psycopg_internals.TESTED.untested() or _found or ""


def _probe(connection: BaseDatabaseWrapper, **_: Any) -> None:
    global _found
    if _found is not None or connection.alias != DEFAULT_DB_ALIAS:
        return
    if connection.vendor != "postgresql" or _why_not():
        return
    pooled = bool(connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"))
    _found = psycopg_internals.probe(connection.connection, is_pooled=pooled)
    if _found:
        logger.warning("%s %s", PLAIN, _found)


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning (`jobs.W021`) for the fallback. With `--database default` the probe comes first."""
    if DEFAULT_DB_ALIAS in (kwargs.get("databases") or []):
        with suppress(DatabaseError):  # server_checks says it
            connections[DEFAULT_DB_ALIAS].ensure_connection()
    try:
        reason = _why_not()
    except ImproperlyConfigured:
        return []  # settings_check says it
    if not reason:
        return []
    hint = "Install a tested version of psycopg, or set JOBS['PIPELINE'] to True."
    return [Warning(f"{PLAIN} {reason}", hint=hint, id="jobs.W021")]
