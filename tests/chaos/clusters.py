"""Real `manage.py qcluster` processes, each in a process group of its own, and what can be done
to them. A cluster that has ended is started again, as a service manager does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from django.db import Error as DatabaseError
from django.db import connection
from django_q.status import Stat

BASE = Path(__file__).resolve().parents[2]
STOP_PATIENCE = 90.0  # seconds after which a cluster that was told to stop counts as stuck
THAW_SPAN = 2.0
PATIENCE, GLANCE = 60.0, 0.1


class Cluster:
    """One place where a cluster runs; the cluster in it may be the third one there."""

    def __init__(self, number: int, environment: dict[str, str], folder: Path) -> None:
        self.number = number
        self.groups: list[int] = []
        self.problems: list[str] = []
        self.log = folder / f"cluster-{number}.log"
        self._environment = environment
        self._thaw_at: float | None = None
        self._told_to_stop: float | None = None
        self._stays_down = False
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._popen = subprocess.Popen(
                [sys.executable, "manage.py", "qcluster"],
                cwd=BASE,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.groups.append(self._popen.pid)
        self._thaw_at = self._told_to_stop = None

    # --- what is done to it -----------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Runs, and nothing is being done to it."""
        return self._popen.poll() is None and not self._thaw_at and not self._told_to_stop

    def kill_one(self, role: str, random: Random) -> int | None:
        """SIGKILL a process of this role; its number, or None if none is known just now."""
        pids = [pid for pid in self.members(role) if self.has(pid)]
        if not pids:
            return None
        pid = random.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    def kill(self) -> None:
        self._signal_all(signal.SIGKILL)

    def freeze(self, seconds: float) -> None:
        self._signal_all(signal.SIGSTOP)
        self._thaw_at = time.monotonic() + seconds

    def terminate(self) -> None:
        self._popen.terminate()
        self._told_to_stop = time.monotonic()

    def _signal_all(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    # --- what becomes of it -----------------------------------------------------------------------

    def tend(self) -> None:
        """Thaw it when its time has come, start it again if it has ended."""
        if self._thaw_at and time.monotonic() > self._thaw_at:
            self._signal_all(signal.SIGCONT)
            self._thaw_at = None
        if self._popen.poll() is not None:
            if not self._stays_down:
                self.start()
        elif self._told_to_stop and time.monotonic() - self._told_to_stop > STOP_PATIENCE:
            self.problems.append(f"cluster {self.number} was told to stop and did not")
            self.kill()

    def stop_for_good(self) -> None:
        self._stays_down = True
        self._thaw_at = self._thaw_at and 0.1
        if not self._told_to_stop:
            self.terminate()

    @property
    def is_down(self) -> bool:
        return self._popen.poll() is not None

    def kill_for_good(self) -> None:
        """Whatever is left of it, frozen or stuck."""
        self._stays_down = True
        self.kill()
        self._popen.wait()

    # --- its processes ----------------------------------------------------------------------------

    def members(self, role: str) -> list[int]:
        """The numbers of its processes of a role, as its sentinel last said."""
        try:
            stats = [stat for stat in Stat.get_all() if stat.pid == self._popen.pid]
        except DatabaseError:
            connection.close()
            return []
        found: list[int] = []
        for stat in stats:
            value = stat.workers if role == "worker" else getattr(stat, role)
            found += value if isinstance(value, list) else [value]
        return [pid for pid in found if pid]

    def has(self, pid: int) -> bool:
        """Whether this process is one of its own, and lives; its number may be another's by now."""
        try:
            return os.getpgid(pid) == self._popen.pid and state_of(pid) != "Z"
        except ProcessLookupError:
            return False


def wait_until(is_so: Callable[[], object], cluster: Cluster) -> None:
    """Raises AssertionError, with what the cluster said, if that takes a minute."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, cluster.log.read_text()
        time.sleep(GLANCE)


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "Z"


def left_over(groups: set[int]) -> list[int]:
    """Living processes of these groups."""
    left = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and state_of(int(folder.name)) != "Z":
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(int(folder.name)) in groups:
                    left.append(int(folder.name))
    return left
