"""The embedded database: a real PostgreSQL that belongs to one checkout.

The site uses it when `DATABASE_URL` is not set. The server keeps its data under `.local/postgres`
and listens on a Unix socket only. Any `manage.py` command that needs the database starts it.
"""

from __future__ import annotations

from melodymaker.embedded.errors import DatabaseUnavailable
from melodymaker.embedded.place import connection
from melodymaker.embedded.server import forget, others, start, status, stop

__all__ = [
    "DatabaseUnavailable",
    "connection",
    "forget",
    "others",
    "start",
    "status",
    "stop",
    "wanted",
]

WITHOUT_DATABASE = {"check", "collectstatic", "database", "help", "studio", "up", "version"}


def wanted(argv: list[str]) -> bool:
    """Whether this command line of `manage.py` needs the database (`up` starts it itself)."""
    words = argv[1:]
    asks_for_help = {"-h", "--help", "--version"} & set(words)
    return bool(words) and not asks_for_help and words[0] not in WITHOUT_DATABASE
