"""The tests' own database, as processes beside them are told of it."""

from __future__ import annotations

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
