"""A PostgreSQL of the trial's own, in a temporary folder: one that may be struck down."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote, urlencode

from melodymaker import embedded
from melodymaker.embedded.place import Place
from melodymaker.embedded.programs import Programs


class OwnDatabase:
    def __init__(self) -> None:
        self._base = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
        self._base.chmod(0o755)
        embedded.start(self._base)

    @property
    def url(self) -> str:
        there = embedded.connection(self._base)
        query = urlencode({"host": there["HOST"], "port": there["PORT"]})
        return f"postgres://{quote(there['USER'])}@/{quote(there['NAME'])}?{query}"

    def strike(self) -> None:
        """Restart it without a word: every connection breaks, what was committed stays."""
        place = Place(self._base)
        arguments = [f"--pgdata={place.data}", f"--log={place.log}", "--mode=immediate", "--wait"]
        ended = Programs.find().run("pg_ctl", "restart", *arguments)
        if ended.returncode:
            raise RuntimeError(f"PostgreSQL did not come back: {ended.stdout}{ended.stderr}")

    def close(self) -> None:
        embedded.forget(self._base)
        shutil.rmtree(self._base, ignore_errors=True)
