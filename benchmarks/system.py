"""The system's PostgreSQL, as production has it: every setting is the default, but for the commit
timestamps that times are read from."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from benchmarks.database import TIMED, Server, ServerUnavailable
from melodymaker.embedded.programs import Account, Programs, unreachable

INSTALLED = Path("/usr/lib/postgresql")  # where Debian and Ubuntu have it, a folder a version
CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{sockets}'
"""


class System(Server):
    name = "system"

    def start(self) -> None:
        programs = newest(INSTALLED)
        account = programs.account
        self.data = self.base / "data"
        if not account.reaches(self.data):
            raise ServerUnavailable(str(unreachable(self.base)))
        self.sockets = Path(tempfile.mkdtemp(prefix="melodymaker-bench-", dir="/tmp"))
        self.log = self.base / "postgres.log"
        self.log.touch()
        self.data.mkdir(mode=0o700)
        for own in (self.data, self.sockets, self.log):
            os.chown(own, account.uid, account.gid)
        say = (f"--pgdata={self.data}", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust")
        self._run(programs, "initdb", *say, f"--username={self.user}")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(sockets=self.sockets))
            file.writelines(f"{name} = {value}\n" for name, value in TIMED.items())
        self._run(
            programs, "pg_ctl", "start", f"--pgdata={self.data}", f"--log={self.log}", "--wait"
        )

    def stop(self) -> None:
        if not hasattr(self, "sockets"):
            return  # it was not to be had
        if (self.data / "postmaster.pid").exists():
            say = (f"--pgdata={self.data}", "--mode=immediate", "--wait")
            newest(INSTALLED).run("pg_ctl", "stop", *say)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _run(self, programs: Programs, name: str, *arguments: str) -> None:
        ended = programs.run(name, *arguments)
        if ended.returncode:
            said = (ended.stdout + ended.stderr + self.log.read_text()).strip().splitlines()
            lines = "\n".join(said[-10:])
            raise ServerUnavailable(f"{name} of {programs.folder} failed:\n{lines}")


def newest(installed: Path) -> Programs:
    """The programs of the newest version, run as a user that PostgreSQL accepts."""
    folders = [folder for folder in installed.glob("*/bin") if (folder / "initdb").is_file()]
    if not folders:
        raise ServerUnavailable(
            f"There is no PostgreSQL under {installed}. Install it (on Debian and Ubuntu: "
            "apt-get install postgresql), or measure on the embedded one: --server embedded."
        )
    return Programs(max(folders, key=version), Account.current())


def version(folder: Path) -> int:
    """The number in /usr/lib/postgresql/15/bin."""
    found = re.match(r"\d+", folder.parent.name)
    return int(found[0]) if found else 0
