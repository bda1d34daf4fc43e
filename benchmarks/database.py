"""A PostgreSQL of the benchmark's own, on the disk of the checkout, with durability as shipped.

`Server` is what cases ask of it. `Embedded` is the wheel's, with more memory than its defaults give
it; the system's, with its default settings, is in system.py.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from benchmarks.processes import children, cpu, watch
from melodymaker import embedded

# Commit timestamps are what times are read from.
TIMED = {"track_commit_timestamp": "on"}
ROOMY = {
    "shared_buffers": "512MB",
    "max_connections": "300",
    "max_wal_size": "4GB",
    "effective_cache_size": "2GB",
}
SHOWN = ("server_version", "jit", "fsync", "synchronous_commit", "full_page_writes")
SHOWN += (*ROOMY, *TIMED)
COMPILES = "SELECT CASE WHEN pg_jit_available() THEN 'on' ELSE 'off (built without it)' END"
CONTEXT = "SELECT context FROM pg_settings WHERE name = %s"
LOG_BYTES = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8"
# How often the log was flushed: until PostgreSQL 17 the log has statistics of its own.
FLUSHES = "SELECT wal_sync FROM pg_stat_wal"
FLUSHES_18 = "SELECT sum(fsyncs)::int8 FROM pg_stat_io WHERE object = 'wal'"


class ServerUnavailable(Exception):
    """The server cannot be started; the message says what to do."""


class Server:
    """`data` and `sockets` are its folders; who starts it sets them."""

    name: str
    user = "postgres"
    port = 5432  # names the socket file; nothing listens on the network
    data: Path
    sockets: Path
    _watched = 0  # the postmaster, once it is started

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.base = Path(tempfile.mkdtemp(prefix="database-", dir=folder.resolve()))

    def __enter__(self) -> Server:
        try:
            self.start()
            self._watched = self.postmaster()
            watch(self._watched)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if self._watched:
            watch(-self._watched)
        shutil.rmtree(self.base, ignore_errors=True)

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def connect(self, name: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self.sockets), port=self.port, user=self.user, dbname=name, autocommit=True
        )

    def create(self, name: str) -> None:
        with self.connect("postgres") as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if not known.fetchone():
                connection.execute(f'CREATE DATABASE "{name}"')

    def set(self, **settings: str) -> None:
        """Settings that need no new start, for all that are connected; `DEFAULT` takes one back."""
        with self.connect("postgres") as connection:
            for name, value in settings.items():
                found = connection.execute(CONTEXT, [name]).fetchone()
                if found is None or found[0] in ("internal", "postmaster"):
                    raise ServerUnavailable(f"{name} is no setting that a running server takes.")
                said = value if value == "DEFAULT" else sql.Literal(value).as_string(connection)
                try:
                    connection.execute(f"ALTER SYSTEM SET {name} = {said}")
                except psycopg.Error as problem:
                    raise ServerUnavailable(f"{name} = {value}: {problem}") from None
            connection.execute("SELECT pg_reload_conf()")

    def url(self, name: str) -> str:
        place = urlencode({"host": str(self.sockets), "port": self.port})
        return f"postgres://{self.user}@/{quote(name)}?{place}"

    def cpu(self) -> float:
        """Seconds of a core that its living processes have used so far."""
        postmaster = self.postmaster()
        return cpu([postmaster, *children(postmaster)])

    def postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().partition("\n")[0])

    def written(self) -> tuple[int, int]:
        """Bytes of the write-ahead log so far, and how often it was flushed to the disk."""
        with self.connect("postgres") as connection:
            flushes = FLUSHES_18 if connection.info.server_version >= 180000 else FLUSHES
            return tuple(connection.execute(q).fetchone()[0] for q in (LOG_BYTES, flushes))

    def settings(self) -> dict[str, str]:
        """What the server says of itself. A server that was built without a compiler has `jit` on
        and compiles nothing."""
        with self.connect("postgres") as connection:
            told = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in SHOWN}
            if told["jit"] == "on":
                told["jit"] = connection.execute(COMPILES).fetchone()[0]
        return told


class Embedded(Server):
    name = "embedded"

    def start(self) -> None:
        (self.base / ".local").mkdir()
        self.data = self.base / ".local" / "postgres" / "data"
        self.sockets = Path(embedded.connection(self.base)["HOST"])
        embedded.start(self.base)
        with self.connect("postgres") as connection:
            for name, value in (ROOMY | TIMED).items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        embedded.stop(self.base)
        embedded.start(self.base)

    def stop(self) -> None:
        embedded.forget(self.base)
