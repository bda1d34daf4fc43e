"""Run the parts as child processes: prefix their output, notice when one ends, end all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from melodymaker.supervisor import process_groups
from melodymaker.supervisor.processes import Part

REMEMBERED = 15  # lines of a part that are shown when it dies
COLOURS = ("36", "35", "33", "32")


class PartEnded(Exception):
    """A part ended by itself. The message says which, how, and its last lines."""


class Running:
    """The process of a part, and the thread that reads its output."""

    def __init__(
        self, part: Part, label: str, children: Children, environment: dict[str, str]
    ) -> None:
        self.part = part
        self.label = label
        self.listener = threading.Thread(target=self.say, args=(children,), daemon=True)
        self.last: deque[str] = deque(maxlen=REMEMBERED)
        self.popen = subprocess.Popen(  # noqa: S603
            [sys.executable, *part.arguments],
            cwd=children.base,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            text=True,
            errors="replace",
        )

    def say(self, children: Children) -> None:
        """Pass the part's lines on until it closes its output."""
        for line in self.popen.stdout or ():
            self.last.append(line.rstrip())
            with children.turn:
                children.out.write(f"{self.label} {line.rstrip()}\n")
                children.out.flush()

    def last_lines(self) -> str:
        code = self.popen.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        said = "".join(f"\n  {line}" for line in self.last) or "\n  (nothing)"
        return f"The {self.part.name} {how}, so all parts were stopped. Its last lines:{said}"


class Children:
    def __init__(self, base: Path, out: TextIO, *, with_database: bool) -> None:
        self.base, self.out = base, out
        self.running: list[Running] = []
        self.turn = threading.Lock()  # one line at a time
        self._watchdog = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-m", "melodymaker.supervisor.watchdog", str(base)),
                *(["--with-database"] if with_database else []),
            ],
            cwd=base,
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def start(self, parts: Iterable[Part], environment: dict[str, str]) -> None:
        parts = list(parts)
        width = max(len(part.name) for part in parts)
        for part, colour in zip(parts, COLOURS, strict=False):
            label = f"{part.name:<{width}} |"
            if self.out.isatty():
                label = f"\033[{colour}m{label}\033[0m"
            running = Running(part, label, self, environment)
            self.running.append(running)
            self._tell_watchdog(running.popen.pid)
            running.listener.start()

    def check(self) -> None:
        """Raise PartEnded if a part has ended."""
        for running in self.running:
            if running.popen.poll() is not None:
                running.listener.join(timeout=1.0)
                raise PartEnded(running.last_lines())

    def stop(self) -> None:
        """End the cluster first, while it can still reach the studio, then the other parts."""
        leaders = {running.popen.pid: running.popen for running in reversed(self.running)}

        def alive(pid: int) -> bool:
            return leaders[pid].poll() is None

        last, others = [*leaders][:1], [*leaders][1:]
        process_groups.end(last, alive, patience=6.0)
        process_groups.end(others, alive, patience=4.0)
        self._watchdog.communicate("done\n")

    def _tell_watchdog(self, leader: int) -> None:
        pipe = self._watchdog.stdin
        if pipe:
            pipe.write(f"{leader}\n")
            pipe.flush()


def environment(**more: str) -> dict[str, str]:
    """The process's environment without the variables that make sets for its children."""
    make = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}
    return {**{k: v for k, v in os.environ.items() if k not in make}, **more}
