"""The watchdog ends the parts of a supervisor that was killed.

The watchdog has a session of its own. The supervisor writes the leader of each process group that
it starts to the watchdog's pipe, one a line, with a minus when that has ended, and `done` when it
has stopped them all. If the pipe ends without `done`, the supervisor was killed: the watchdog ends
the groups. If the supervisor had started the checkout's database and no other program uses it, the
watchdog stops that too. A benchmark has one as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from melodymaker import embedded
from melodymaker.supervisor import process_groups

PATIENCE = 5.0


def watch(base: Path, with_database: bool) -> None:
    lines = [line.strip() for line in sys.stdin]
    if "done" in lines:
        return
    process_groups.end(left(map(int, lines)), process_groups.exists, PATIENCE)
    if with_database and not embedded.others(base):
        embedded.stop(base)


def left(told: Iterable[int]) -> list[int]:
    """The number of a process that has ended may be another one's by now."""
    left: dict[int, None] = {}
    for leader in told:
        if leader > 0:
            left[leader] = None
        else:
            left.pop(-leader, None)
    return list(left)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), with_database="--with-database" in sys.argv)
