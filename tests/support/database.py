"""The tests' own database, as processes beside them are told of it."""

from __future__ import annotations

import os
from urllib.parse import quote, urlencode

from django.db import connection


def database_url() -> str:
    """As libpq reads it. Its host may be the folder of a socket, so it goes in the query."""
    there = connection.get_connection_params()
    who = quote(there["user"], safe="")
    if there.get("password"):
        who += f":{quote(there['password'], safe='')}"
    query = urlencode({name: there[name] for name in ("host", "port") if there.get(name)})
    return f"postgres://{who}@/{quote(there['dbname'], safe='')}?{query}"


def sites_database_url() -> str:
    """As `DATABASE_URL` says it, with what is said there of a pool."""
    there = connection.settings_dict
    if not there.get("DISABLE_SERVER_SIDE_CURSORS"):
        return database_url()
    pooled = {"disable_server_side_cursors": "true", "conn_max_age": there["CONN_MAX_AGE"]}
    return f"{database_url()}&{urlencode(pooled)}"


def cluster_environment(settings: str, *, workers: int, **more: str) -> dict[str, str]:
    """The environment of a real cluster on this test's database, with these settings."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "DATABASE_URL": sites_database_url(),
        "DJANGO_SETTINGS_MODULE": settings,
        "DEBUG": "1",
        "CLUSTER_WORKERS": str(workers),
        **more,
    }
