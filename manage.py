#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it starts the checkout's own PostgreSQL."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "melodymaker.settings")
    from django.conf import settings
    from django.core.management import execute_from_command_line

    from melodymaker import embedded

    if settings.EMBEDDED_DATABASE and embedded.wanted(sys.argv):
        try:
            embedded.start(settings.BASE_DIR)
        except embedded.DatabaseUnavailable as problem:
            sys.exit(str(problem))
    try:
        execute_from_command_line(sys.argv)
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        if not (words := outage_in_words(error) or missing_tables_in_words(error)):
            raise
        sys.exit(words)


def outage_in_words(error: Exception) -> str:
    """The sentence that replaces the traceback of an outage; empty if the database is not away."""
    from django.apps import apps

    if not apps.ready:  # jobs.api can be imported only after django.setup()
        return ""
    from jobs.api import is_unavailable, why_unavailable

    if not is_unavailable(error):
        return ""
    return f"The database {why_unavailable(error)}, so the command did not finish.\n{error}".strip()


def missing_tables_in_words(error: Exception) -> str:
    """The same for a table or column that a migration would make, of one that is not applied."""
    from django.db import ProgrammingError, connection
    from django.db.migrations.executor import MigrationExecutor

    is_missing = getattr(error.__cause__, "sqlstate", "") in ("42P01", "42703")
    if "migrate" in sys.argv or not isinstance(error, ProgrammingError) or not is_missing:
        return ""
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return ""
    return (
        "The database is not migrated, so the command did not finish. "
        f"`manage.py migrate` does it.\n{error}"
    ).strip()


if __name__ == "__main__":
    main()
