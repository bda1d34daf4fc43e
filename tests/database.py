"""The tests' own database, as processes beside them are told of it."""

from __future__ import annotations

import os
from urllib.parse import quote, urlencode

from django.db import connection


def database_url() -> str:
    """Its host may be the folder of a socket, so it goes in the query."""
    there = connection.settings_dict
    who = quote(there["USER"], safe="")
    if there["PASSWORD"]:
        who += f":{quote(there['PASSWORD'], safe='')}"
    place = {"host": there["HOST"], "port": there["PORT"]}
    query = urlencode({name: value for name, value in place.items() if value})
    return f"postgres://{who}@/{quote(there['NAME'], safe='')}?{query}"


def cluster_environment(settings: str, *, workers: int, **more: str) -> dict[str, str]:
    """The environment of a real cluster on this test's database, with these settings."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": settings,
        "DEBUG": "1",
        "CLUSTER_WORKERS": str(workers),
        **more,
    }
