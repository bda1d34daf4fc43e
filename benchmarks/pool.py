"""PgBouncer in transaction mode before a server of the benchmark's, with the defaults else."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg

from benchmarks.database import Server, ServerUnavailable
from benchmarks.processes import PATIENCE, Process
from melodymaker.embedded.programs import Account

PORT = 6432  # names the socket file; nothing listens on the network
CONFIGURATION = """
[databases]
* = host={server} port={server_port} user={user}

[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {sockets}
auth_type = any
pool_mode = transaction
"""


class Pool:
    def __init__(self, server: Server, folder: Path) -> None:
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if not Path(program).exists():
            raise ServerUnavailable(
                "There is no PgBouncer. Install it (on Debian and Ubuntu: apt-get install "
                "pgbouncer), or name the cases that you want without `pool`."
            )
        account = Account.current()
        self._server = server
        self._sockets = Path(tempfile.mkdtemp(prefix="melodymaker-bench-", dir="/tmp"))
        settings = self._sockets / "pgbouncer.ini"
        settings.write_text(
            CONFIGURATION.format(
                server=server.sockets,
                server_port=server.port,
                user=server.user,
                port=PORT,
                sockets=self._sockets,
            )
        )
        for own in (self._sockets, settings):
            os.chown(own, account.uid, account.gid)
        command = [*account.prefix, program, str(settings)]
        self._process = Process(command, {}, folder / "pgbouncer.log")

    def __enter__(self) -> Pool:
        deadline = time.monotonic() + PATIENCE
        while not self._lets_us_in():
            self._process.raise_if_ended()
            if time.monotonic() > deadline:
                raise self._process.failure("does not answer")
            time.sleep(0.1)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.end()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def url(self, name: str) -> str:
        """As docs/deployment.md has it."""
        place = urlencode({"host": str(self._sockets), "port": PORT})
        return (
            f"postgres://{self._server.user}@/{quote(name)}?{place}"
            "&disable_server_side_cursors=true&conn_max_age=0"
        )

    def _lets_us_in(self) -> bool:
        try:
            psycopg.connect(
                host=str(self._sockets),
                port=PORT,
                user=self._server.user,
                dbname="postgres",
                connect_timeout=5,
            ).close()
        except psycopg.OperationalError:
            return False
        return True
