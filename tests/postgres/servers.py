"""A private server with default settings, and PgBouncer before it; neither outlives its block."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from melodymaker import embedded
from melodymaker.embedded.place import DATABASE, PORT, USER, Place
from melodymaker.embedded.processes import pid_in
from melodymaker.embedded.programs import Programs

POOL_PORT = PORT + 1_000  # names the socket file; nothing listens on the network
POOL = f"""\
[databases]
* = host={{sockets}} port={PORT} user={USER}
[pgbouncer]
listen_port = {{port}}
unix_socket_dir = {{sockets}}
auth_type = any
pool_mode = {{mode}}
pidfile = {{sockets}}/pool-{{port}}.pid
logfile = {{sockets}}/pool-{{port}}.log
{{more}}
"""
BEHIND_A_POOL = {"disable_server_side_cursors": "true", "conn_max_age": "0"}
PATIENCE = 10.0  # seconds


@contextmanager
def server(base: Path, programs: Programs) -> Iterator[Path]:
    """Yields the folder of its socket. Its settings are PostgreSQL's own defaults, but that it
    listens to no network."""
    (base / ".local").mkdir(parents=True, exist_ok=True)
    embedded.forget(base)  # what a run that was killed has left
    try:
        embedded.start(base, programs, more="")
        yield Place(base).sockets
    finally:
        embedded.forget(base)


@contextmanager
def pool(
    sockets: Path,
    pgbouncer: Programs,
    *,
    mode: str = "transaction",
    port: int = POOL_PORT,
    more: str = "",
) -> Iterator[int]:
    """PgBouncer before the server whose socket is there, with its socket in the same folder."""
    file, owner = sockets / f"pool-{port}.ini", pgbouncer.account
    file.write_text(POOL.format(sockets=sockets, port=port, mode=mode, more=more))
    os.chown(file, owner.uid, owner.gid)
    begun = pgbouncer.run("pgbouncer", "-d", str(file))
    if begun.returncode:
        raise RuntimeError(f"PgBouncer did not start: {begun.stdout}{begun.stderr}")
    try:
        yield port
    finally:
        _end(sockets / f"pool-{port}.pid")


def url(sockets: Path, *, port: int = PORT, database: str = DATABASE, **more: str) -> str:
    query = urlencode({"host": str(sockets), "port": port} | more)
    return f"postgres://{USER}@/{quote(database)}?{query}"


def _end(pid_file: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    if pid := pid_in(pid_file):
        os.kill(pid, signal.SIGTERM)
    while pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
