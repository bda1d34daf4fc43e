"""Where one checkout's PostgreSQL keeps its things. Nothing here touches the disk or the server,
except `locked`."""

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
        """The folder around the data: 0700, so that only who started the server gets near."""
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
        """A short folder outside the checkout: a socket's path may have 107 bytes (103 on macOS).

        `/tmp` rather than $TMPDIR, so that every process of the checkout computes the same one.
        """
        temporary = "/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir()  # noqa: S108
        checkout = hashlib.sha256(os.fsencode(self.base.resolve())).hexdigest()[:16]
        return Path(temporary) / f"melodymaker-{os.geteuid()}-{checkout}"

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{PORT}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time; a second one waits until the first has the server ready."""
        self.lock.parent.mkdir(exist_ok=True)
        with self.lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def connection(base: Path) -> dict[str, Any]:
    """Django's connection settings for the checkout's server, whether it runs or not."""
    sockets = str(Place(base).sockets)
    return {"NAME": DATABASE, "USER": USER, "HOST": sockets, "PORT": str(PORT)}
