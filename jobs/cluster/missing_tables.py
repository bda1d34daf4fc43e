from __future__ import annotations

import time
from collections.abc import Callable

from django.apps import apps
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, connection

PAUSE = 1.0  # seconds between looks
NAMED = 3
MISSING = "SELECT name FROM unnest(%s::text[]) name WHERE to_regclass(name) IS NULL"


def wait_for_tables(tell: Callable[[str], object], *, is_patient: bool = True) -> None:
    """A deployment may start clusters before it migrates. Each of their processes would fail, over
    and over.
    """
    has_told = False
    while missing := missing_tables():
        named = ", ".join([*missing[:NAMED], *(["…"] if missing[NAMED:] else [])])
        lacks = f"The database lacks tables of the engine ({named})."
        if not is_patient:
            raise CommandError(f"{lacks} manage.py migrate makes them.")
        if not has_told:
            tell(f"{lacks} The cluster waits until manage.py migrate has made them.")
            has_told = True
        time.sleep(PAUSE)


def missing_tables() -> list[str]:
    """Their names; none are known while the database is away, for which the processes wait."""
    tables = sorted(model._meta.db_table for model in apps.get_app_config("jobs").get_models())
    try:
        with connection.cursor() as cursor:
            cursor.execute(MISSING, [tables])
            return [name for (name,) in cursor.fetchall()]
    except (DatabaseError, InterfaceError):
        return []
    finally:
        connection.close()  # the cluster's processes are copies of this one
