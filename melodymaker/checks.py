"""System checks of the project: its environment, how far its database is migrated, and
whether accounts have passwords that strangers know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from melodymaker.demo_accounts import problem, with_known_passwords


@register()
def environment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """One error for each variable that is missing or malformed (`melodymaker.E001`)."""
    hint = "Set it in the environment or in .env; .env.example lists every variable."
    return [Error(problem, hint=hint, id="melodymaker.E001") for problem in settings.ENV_PROBLEMS]


@register(Tags.database)
def migrations(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """One error for each migration that replaces others, of which the database has applied some
    and not all (`melodymaker.E002`). Django would stop at it with an error about models.

    Django takes such a migration as applied when all that it replaces is, and does not ask for its
    own name. A database that has only that name, from an earlier version, would get all tables
    again.
    """
    loader = MigrationLoader(None)
    found: list[CheckMessage] = []
    for alias in databases or ():
        applied = _applied(alias)
        for (app, name), migration in loader.replacements.items():
            replaced = set(migration.replaces)
            known = replaced & applied
            gone = not replaced <= set(loader.disk_migrations)
            if gone and known != replaced and (known or (app, name) in applied):
                found.append(_half_migrated(app, name, len(known), len(replaced)))
    return found


@register(Tags.database)
def known_passwords(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """One error for each account of a development machine that production's database has, with the
    password that strangers know (`melodymaker.E003`)."""
    if settings.DEBUG:
        return []
    names = {name for alias in databases or () for name in with_known_passwords(alias)}
    return [Error(problem(name), id="melodymaker.E003") for name in sorted(names)]


def _applied(alias: str) -> set[tuple[str, str]]:
    """Empty where the database cannot tell: the engine's checks of the server say why. Reads no
    times, which a server may write in a way that psycopg cannot read (`jobs.E030`).
    """
    recorder = MigrationRecorder(connections[alias])
    try:
        return set(recorder.migration_qs.values_list("app", "name") if recorder.has_table() else ())
    except DatabaseError:
        return set()


def _half_migrated(app: str, name: str, known: int, replaced: int) -> CheckMessage:
    some = f"{known} of the {replaced} migrations that {app}.{name} replaces"
    none = f"{app}.{name} of an earlier version, and none of the {replaced} that it replaces now"
    return Error(
        f"The database has {some if known else none}; it can go on with all of them, or when it is "
        "empty.",
        hint="Check out the last commit that has these files "
        f"(`git log -1 --diff-filter=D --format=%h^ -- {app}/migrations` says which it is), run "
        "`manage.py migrate` there, then come back and run it again.",
        id="melodymaker.E002",
    )
