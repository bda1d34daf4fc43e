"""Real processes, each in a group of its own: started, asked, weighed and ended whole. If the
benchmark is killed, the supervisor's watchdog ends them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0  # seconds for a process that is to say something, or to end


class ProcessFailed(Exception):
    """A process of the benchmark did not do its part; the message ends with what it said."""


class Process:
    """`talks`: it answers on its standard output; else that goes to the log like its errors."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        talks: bool = False,
    ) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                list(command),
                cwd=ROOT,
                env={**inherited(), **environment},
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else out,
                stderr=out,
                start_new_session=True,
            )
        watch(self.pid)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def read(self, patience: float = PATIENCE) -> Any:
        """The next line of JSON that it says."""
        assert self._popen.stdout is not None
        ready, _, _ = select.select([self._popen.stdout], [], [], patience)
        line = self._popen.stdout.readline() if ready else b""
        if not line:
            raise self.failure("said nothing")
        return json.loads(line)

    def ask(self, question: Any, patience: float = PATIENCE) -> Any:
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(question).encode() + b"\n")
        self._popen.stdin.flush()
        return self.read(patience)

    def raise_if_ended(self) -> None:
        if self._popen.poll() is not None:
            raise self.failure(f"ended with {self._popen.returncode}")

    def failure(self, what: str) -> ProcessFailed:
        said = self.log.read_text(errors="replace").strip().splitlines()[-12:]
        return ProcessFailed(f"{self._popen.args} {what}. {self.log}:\n" + "\n".join(said))

    def end(self) -> None:
        """Ask the leader, wait, and kill what is left of the group."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(PATIENCE)
        deadline = time.monotonic() + 2
        while self.members() and time.monotonic() < deadline:
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        watch(-self.pid)
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()

    def members(self) -> list[int]:
        """The living processes of its group."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self._popen.pid and fields[0] != "Z":
                    found.append(int(stat.parent.name))
        return found

    def cpu(self) -> float:
        """Seconds of a core that its processes have used so far."""
        return cpu(self.members())

    def pss(self) -> float:
        """MiB of the whole group: private memory, and its share of what is shared."""
        total = 0
        for pid in self.members():
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
        return total / 1024


@cache
def _watchdog() -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "melodymaker.supervisor.watchdog", str(ROOT))
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True, text=True
    )


def watch(leader: int) -> None:
    """End this one's group if the benchmark is killed; with a minus, it has ended."""
    pipe = _watchdog().stdin
    assert pipe is not None
    pipe.write(f"{leader}\n")
    pipe.flush()


def cpu(pids: Iterable[int]) -> float:
    """Seconds that these have used, and their children that have ended: django-q2 recycles its
    workers."""
    used = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += sum(map(int, fields[11:15]))
    return used / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MiB that it has in memory. Pages that it shares with others count whole: those that it has
    been the first to write to since its fork would else look like growth."""
    return _status(pid, "VmRSS:")


def peak(pid: int) -> float:
    """The most MiB that it has had in memory."""
    return _status(pid, "VmHWM:")


def _status(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def inherited() -> dict[str, str]:
    """Of the environment, only what programs need to run at all."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run a command to its end; ProcessFailed if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        ended = subprocess.run(
            list(command),
            cwd=ROOT,
            env={**inherited(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    if ended.returncode:
        said = log.read_text(errors="replace").strip().splitlines()[-12:]
        raise ProcessFailed(f"{' '.join(command)} failed. {log}:\n" + "\n".join(said))
