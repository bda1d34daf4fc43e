"""New code for running parts: when a Python file changes, a new cluster and a new site take over
from the old ones.

1. A file that Python cannot compile restarts nothing: its place is said, the old code goes on, and
   the next change is tried again.
2. The new ones start beside the old ones, at the same time. If one ends at its start, both old ones
   go on. If both have loaded their code, the old ones are told to stop: each worker of the cluster
   puts its run down after the step that it is at, and the new cluster goes on with it; the site
   ends its requests.
3. The site's socket is the supervisor's, so that no browser is refused meanwhile.
4. Two changes at once are one reload.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from melodymaker.supervisor.children import Children, PartEnded

NO_CODE = {"benchmarks", "docs", "tests"}  # folders that no part runs
AT_ONCE = 200  # ms, after which a watch without changes says that it has begun
UNWATCHED = "Python files are not watched, so nothing is reloaded when one changes: {}"


def code_folders(base: Path) -> list[Path]:
    """The packages of the checkout; a new one counts from the next change on."""
    found = (path.parent for path in base.glob("*/__init__.py"))
    return sorted(path for path in found if path.name not in NO_CODE)


def file_times(paths: Iterable[Path]) -> dict[Path, int]:
    """When Python files of these folders, or these files, were written, in ns."""
    times = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # it was deleted
            for file in path.rglob("*.py") if path.is_dir() else [path]:
                times[file] = file.stat().st_mtime_ns
    return times


class Watcher:
    """A thread that collects which Python files have changed.

    A folder more needs another watch. What changes between two watches is found by files' times.
    """

    def __init__(self, base: Path, say: Callable[[str], object]) -> None:
        self._base, self._say = base, say
        self._changed: set[Path] = set()
        self._seen: dict[Path, int] = {}
        self._turn = threading.Lock()
        self._end = threading.Event()
        self.has_changed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it counts changes
        self._thread.start()

    def stop(self) -> None:
        self._end.set()

    def take(self) -> set[Path]:
        """What has changed since the last call."""
        with self._turn:
            taken, self._changed = self._changed, set()
            self.has_changed.clear()
        return taken

    def _watch(self) -> None:
        try:
            self._seen = file_times(code_folders(self._base))
            while not self._end.is_set():
                self._watch_folders(code_folders(self._base))
        except Exception as problem:  # no package, or no room for more watches in the system
            self._say(UNWATCHED.format(f"{type(problem).__name__}: {problem}"))

    def _watch_folders(self, folders: list[Path]) -> None:
        """Until the checkout has other folders."""
        from watchfiles import PythonFilter, watch  # for development alone

        has_begun = False
        for changes in watch(
            *folders,
            watch_filter=PythonFilter(),
            stop_event=self._end,
            rust_timeout=AT_ONCE,
            yield_on_timeout=True,
        ):
            changed = {Path(path) for _, path in changes}
            if not has_begun:
                times, has_begun = file_times(folders), True
                changed |= {path for path, _ in times.items() ^ self._seen.items()}
                self._seen = times
            if changed:
                left = {path: at for path, at in self._seen.items() if path not in changed}
                self._seen = left | file_times(changed)
                self._add(changed)
                if code_folders(self._base) != folders:
                    return

    def _add(self, changed: set[Path]) -> None:
        with self._turn:
            self._changed |= changed
            self.has_changed.set()


class Reloader:
    """Reloads what has changed, on behalf of the supervisor's loop."""

    def __init__(self, base: Path, children: Children) -> None:
        self._base, self._children = base, children
        self._suspects: set[Path] = set()  # changed, and not loaded yet

    def reload(self, changed: Iterable[Path]) -> bool:
        """False if the old code goes on."""
        begun = time.monotonic()
        self._suspects |= set(changed)
        if problems := [said for path in sorted(self._suspects) if (said := self._problem(path))]:
            self._say("\n".join([*problems, "The old code goes on until that is mended."]))
            return False
        try:
            self._children.replace("cluster", "web")
        except PartEnded as problem:
            self._say(f"{problem}\nThe old code goes on; the next change is tried again.")
            return False
        names = ", ".join(sorted(map(self._name, self._suspects)))
        self._suspects.clear()
        self._say(f"Reloaded in {time.monotonic() - begun:.1f} s: {names}")
        return True

    def _problem(self, path: Path) -> str:
        """“songs/functions.py, line 12: invalid syntax”; empty if Python can compile it."""
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except FileNotFoundError:
            return ""  # it was deleted
        except (SyntaxError, ValueError) as problem:
            line = getattr(problem, "lineno", None)
            text = (getattr(problem, "text", None) or "").strip()
            where = f"{self._name(path)}{f', line {line}' if line else ''}"
            said = getattr(problem, "msg", None) or str(problem)
            return f"{where}: {type(problem).__name__}: {said}" + (f"\n    {text}" if text else "")
        return ""

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._base) if path.is_relative_to(self._base) else path)

    def _say(self, text: str) -> None:
        self._children.say(text)
