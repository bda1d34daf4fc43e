"""The folders and files of one checkout's PostgreSQL. Only `locked` touches the disk."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATABASE = "melodymaker"
USER = "postgres"
PORT = 5432  # names the socket file; nothing listens on the network


@dataclass(frozen=True)
class Place:
    base: Path

    @property
    def guard(self) -> Path:
        """The folder around the data. Its mode is 0700: only the user that owns it may enter."""
        return self.base / ".local" / "postgres"

    @property
    def data(self) -> Path:
        return self.guard / "data"

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def log(self) -> Path:
        return self.base / ".local" / "postgres.log"

    @property
    def lock(self) -> Path:
        return self.base / ".local" / "postgres.lock"

    @property
    def sockets(self) -> Path:
        """The folder of the server's socket.

        It lies outside the checkout because a socket's path may have at most 107 bytes (103 on
        macOS), and in `/tmp` rather than $TMPDIR because every process of the checkout must
        compute the same path.
        """
        temporary = "/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir()  # noqa: S108
        checkout = hashlib.sha256(os.fsencode(self.base.resolve())).hexdigest()[:16]
        return Path(temporary) / f"melodymaker-{os.geteuid()}-{checkout}"

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{PORT}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time in. The next waits until the first has the server ready."""
        self.lock.parent.mkdir(exist_ok=True)
        with self.lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def connection(base: Path) -> dict[str, Any]:
    """Django's connection settings for the checkout's server, which need not be running."""
    sockets = str(Place(base).sockets)
    return {"NAME": DATABASE, "USER": USER, "HOST": sockets, "PORT": str(PORT)}
