"""A PostgreSQL of the benchmark's own, on the disk of the checkout, with durability as shipped."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from benchmarks.processes import children, cpu
from melodymaker import embedded

# Everything that is not PostgreSQL's default. Commit timestamps are what times are read from.
CONFIGURATION = {
    "shared_buffers": "512MB",
    "max_connections": "300",
    "max_wal_size": "4GB",
    "effective_cache_size": "2GB",
    "track_commit_timestamp": "on",
}
PID_FILE = Path(".local", "postgres", "data", "postmaster.pid")
WRITTEN = """
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8,
       (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal')::int8
"""
SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", *CONFIGURATION)


class Server:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.base = Path(tempfile.mkdtemp(prefix="database-", dir=folder.resolve()))

    def __enter__(self) -> Server:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        (self.base / ".local").mkdir()
        embedded.start(self.base)
        with self.connect("postgres") as connection:
            for name, value in CONFIGURATION.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        embedded.stop(self.base)
        embedded.start(self.base)

    def __exit__(self, *error: object) -> None:
        embedded.forget(self.base)
        shutil.rmtree(self.base, ignore_errors=True)

    def connect(self, name: str) -> psycopg.Connection[Any]:
        there = embedded.connection(self.base)
        return psycopg.connect(
            host=there["HOST"],
            port=there["PORT"],
            user=there["USER"],
            dbname=name,
            autocommit=True,
        )

    def create(self, name: str) -> None:
        with self.connect("postgres") as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if not known.fetchone():
                connection.execute(f'CREATE DATABASE "{name}"')

    def url(self, name: str) -> str:
        there = embedded.connection(self.base)
        place = urlencode({"host": there["HOST"], "port": there["PORT"]})
        return f"postgres://{there['USER']}@/{quote(name)}?{place}"

    def cpu(self) -> float:
        """Seconds of a core that its living processes have used so far."""
        postmaster = int((self.base / PID_FILE).read_text().partition("\n")[0])
        return cpu([postmaster, *children(postmaster)])

    def written(self) -> tuple[int, int]:
        """Bytes of the write-ahead log so far, and how often it was flushed to the disk."""
        with self.connect("postgres") as connection:
            return connection.execute(WRITTEN).fetchone()

    def settings(self) -> dict[str, str]:
        """What the server says of itself, durability first."""
        with self.connect("postgres") as connection:
            return {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in SHOWN}
