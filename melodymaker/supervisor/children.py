"""Run the parts as child processes: prefix their output, notice when one ends, replace one by a new
one, end all of them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from melodymaker.supervisor import process_groups
from melodymaker.supervisor.processes import SOCKET, Part

PATIENCE = 60.0  # seconds for a new part to load its code
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
        self.has_loaded = threading.Event()
        if not part.loaded:
            self.has_loaded.set()
        self.popen = subprocess.Popen(  # noqa: S603
            [sys.executable, *map(children.with_socket, part.arguments)],
            cwd=children.base,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=children.sockets,
            text=True,
            errors="replace",
        )

    def say(self, children: Children) -> None:
        """Pass the part's lines on until it closes its output."""
        for line in self.popen.stdout or ():
            self.last.append(line.rstrip())
            children.say(f"{self.label} {line.rstrip()}")
            if self.part.loaded and self.part.loaded in line:
                self.has_loaded.set()

    def end_in_words(self, then: str = "") -> str:
        code = self.popen.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        said = "".join(f"\n  {line}" for line in self.last) or "\n  (nothing)"
        return f"The {self.part.name} {how}{then}. Its last lines:{said}"


class Children:
    def __init__(
        self, base: Path, out: TextIO, *, with_database: bool, listener: socket.socket | None = None
    ) -> None:
        """`listener` is the site's socket: it stays while one site takes over from another."""
        self.base, self.out = base, out
        self._listener = listener  # closed with its last reference
        self.sockets = [] if listener is None else [listener.fileno()]
        self.running: list[Running] = []
        self.retiring: list[Running] = []  # told to stop, at their last step
        self._environment: dict[str, str] = {}
        self._labels: dict[str, str] = {}
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
        parts, self._environment = list(parts), environment
        width = max(len(part.name) for part in parts)
        for part, colour in zip(parts, COLOURS, strict=False):
            label = f"{part.name:<{width}} |"
            if self.out.isatty():
                label = f"\033[{colour}m{label}\033[0m"
            self._labels[part.name] = label
            self.running.append(self._start(part))

    def _start(self, part: Part) -> Running:
        running = Running(part, self._labels[part.name], self, self._environment)
        self._tell_watchdog(running.popen.pid)
        running.listener.start()
        return running

    def say(self, text: str) -> None:
        """A line or more, with no other part's in between."""
        with self.turn:
            self.out.write(f"{text}\n")
            self.out.flush()

    def check(self) -> None:
        """Raise PartEnded if a part has ended by itself."""
        for running in self.running:
            if running.popen.poll() is not None:
                running.listener.join(timeout=1.0)
                raise PartEnded(running.end_in_words(", so all parts were stopped"))
        for gone in [old for old in self.retiring if old.popen.poll() is not None]:
            self.retiring.remove(gone)
            process_groups.end([gone.popen.pid], lambda pid: False, patience=0.0)
            self._tell_watchdog(-gone.popen.pid)

    def replace(self, *names: str) -> None:
        """Start parts anew beside the old ones, which are told to stop when all new ones have
        loaded their code. Raises PartEnded if one ends before, or takes a minute; the old ones then
        go on.
        """
        olds = [self._part(name) for name in names]
        news = [self._start(old.part) for old in olds]
        self.retiring += news  # as long as they may be in vain
        try:
            for new in news:
                self._wait_until_loaded(new)
        except PartEnded:
            for new in news:  # a new cluster may have runs in hand already
                new.popen.send_signal(signal.SIGTERM)
            raise
        self.retiring = [one for one in self.retiring if one not in news] + olds
        for old, new in zip(olds, news, strict=True):
            self.running[self.running.index(old)] = new
            old.popen.send_signal(signal.SIGTERM)

    @staticmethod
    def _wait_until_loaded(new: Running) -> None:
        deadline = time.monotonic() + PATIENCE
        while not new.has_loaded.wait(0.02):
            if new.popen.poll() is not None:
                new.listener.join(timeout=1.0)
                raise PartEnded(new.end_in_words(" when it was started with the new code"))
            if time.monotonic() > deadline:
                new.popen.kill()
                raise PartEnded(f"The {new.part.name} did not load the new code in {PATIENCE:g} s.")

    def with_socket(self, argument: str) -> str:
        """Of a part's command line, with the number of the site's socket."""
        return argument.format(socket=self.sockets[0]) if argument == SOCKET else argument

    def _part(self, name: str) -> Running:
        return next(running for running in self.running if running.part.name == name)

    def stop(self) -> None:
        """End the cluster first, while it can still reach the studio, then the other parts."""
        running = [*self.retiring, *self.running]
        leaders = {one.popen.pid: one.popen for one in reversed(running)}

        def alive(pid: int) -> bool:
            return leaders[pid].poll() is None

        last, others = [*leaders][:1], [*leaders][1:]
        process_groups.end(last, alive, patience=6.0)
        process_groups.end(others, alive, patience=4.0)
        self._watchdog.communicate("done\n")

    def _tell_watchdog(self, leader: int) -> None:
        """That it has been started; with a minus, that it has ended."""
        pipe = self._watchdog.stdin
        if pipe:
            pipe.write(f"{leader}\n")
            pipe.flush()


def environment(**more: str) -> dict[str, str]:
    """The process's environment without the variables that make sets for its children."""
    make = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}
    return {**{k: v for k, v in os.environ.items() if k not in make}, **more}
