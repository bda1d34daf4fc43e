"""Ends what a supervisor started if the supervisor itself is killed.

It lives in a session of its own and reads, line by line, the leaders of the process groups that
were started. The pipe's end means that the supervisor is gone: unless it said `done` before,
its groups are ended, and the checkout's database with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from melodymaker import embedded
from melodymaker.supervisor import groups

PATIENCE = 5.0


def watch(base: Path, with_database: bool) -> None:
    lines = [line.strip() for line in sys.stdin]
    if "done" in lines:
        return
    groups.end(map(int, lines), groups.exists, PATIENCE)
    if with_database and not embedded.others(base):
        embedded.stop(base)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), with_database="--with-database" in sys.argv)
