"""`make run` reloads: new code takes over, and a mistake in it takes nothing down."""

from __future__ import annotations

import io
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as project

from melodymaker.supervisor import PARTS, Children, Part, Reloader, Watcher, reloading
from melodymaker.supervisor.processes import SOCKET
from melodymaker.supervisor.reloading import code_folders
from tests.project.test_up import TIMEOUT, answer, doorbell, is_dead

__all__ = ["doorbell"]

pytestmark = pytest.mark.processes

# A part that rings, and says that it has loaded its code.
CLUSTER = """
import signal, socket, sys, threading
exec(open(sys.argv[1]).read())
line = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
line.sendall(b"!")
print("loaded", flush=True)
while True: signal.pause()
"""


class Site:
    """A checkout of one file, with a cluster and a web part that load it."""

    def __init__(self, folder: Path, doorbell: socket.socket) -> None:
        self.file = folder / "functions.py"
        self.file.write_text("")
        self.out = io.StringIO()
        self.children = Children(project.BASE_DIR, self.out, with_database=False)
        self.doorbell = doorbell
        given = ("-c", CLUSTER, str(self.file), str(doorbell.getsockname()[1]))
        parts = [Part("web", given, "loaded"), Part("cluster", given, "loaded")]
        self.children.start(parts, {**os.environ})
        self.lines = [answer(doorbell), answer(doorbell)]
        self.pids = [running.popen.pid for running in self.children.running]
        self.reloader = Reloader(folder, self.children)

    def stop(self) -> None:
        if self.children.running:
            self.children.stop()
            self.children.running.clear()

    def change(self, text: str) -> bool:
        self.file.write_text(text)
        return self.reloader.reload([self.file])

    @property
    def said(self) -> str:
        return self.out.getvalue()

    @property
    def is_as_it_was(self) -> bool:
        self.children.check()
        return [running.popen.pid for running in self.children.running] == self.pids

    @property
    def has_no_others(self) -> bool:
        """Once what was started in vain has ended."""
        for one in self.children.retiring:
            one.popen.wait(TIMEOUT)
        self.children.check()
        return self.children.retiring == []


@pytest.fixture
def site(tmp_path, doorbell) -> Iterator[Site]:
    site = Site(tmp_path, doorbell)
    yield site
    site.stop()


def test_a_new_cluster_and_a_new_site_take_over_and_the_old_ones_are_told_to_stop(site):
    olds = list(site.children.running)
    assert site.change("x = 1")
    new_lines = [answer(site.doorbell), answer(site.doorbell)]
    assert [old.popen.wait(TIMEOUT) for old in olds] == [-signal.SIGTERM] * 2
    site.children.check()
    assert site.children.retiring == []
    assert [running.part.name for running in site.children.running] == ["web", "cluster"]
    assert [running.popen.poll() for running in site.children.running] == [None, None]
    assert "Reloaded in " in site.said
    assert "s: functions.py\n" in site.said
    for line in new_lines:
        line.close()


def test_of_two_new_parts_none_takes_over_if_one_ends_at_its_start(site):
    """The second one to come here fails."""
    mark = site.file.with_name("first")
    assert not site.change(
        f"import pathlib\ntry: pathlib.Path({str(mark)!r}).touch(exist_ok=False)\n"
        "except FileExistsError: raise ValueError('the second')"
    )
    assert "ended with exit code 1 when it was started with the new code." in site.said
    assert "The old code goes on; the next change is tried again." in site.said
    assert site.is_as_it_was
    assert site.has_no_others


def test_a_file_that_python_cannot_compile_restarts_nothing_until_it_is_mended(site):
    assert not site.change("x = 1\ndef order(:\n    pass\n")
    assert "functions.py, line 2: SyntaxError: invalid syntax\n    def order(:" in site.said
    assert "The old code goes on until that is mended." in site.said
    assert site.is_as_it_was
    other = site.file.with_name("other.py")
    other.write_text("y = 1")
    assert not site.reloader.reload([other])
    assert site.is_as_it_was
    assert site.change("x = 1")
    assert "s: functions.py, other.py\n" in site.said


@pytest.mark.parametrize("text", ["\0", "\x80 = 1", "x = '"])
def test_what_is_no_python_at_all_is_said(site, text):
    site.file.write_bytes(text.encode("latin-1"))
    assert not site.reloader.reload([site.file])
    assert "functions.py" in site.said
    assert "Error" in site.said
    assert site.is_as_it_was


def test_a_cluster_that_ends_at_its_start_leaves_the_old_one_at_work(site):
    assert not site.change("raise ValueError('no such option')")
    assert "The cluster ended with exit code 1 when it was started with the new code." in site.said
    assert "ValueError: no such option" in site.said
    assert site.is_as_it_was
    assert site.has_no_others
    assert site.change("x = 1")


def test_a_file_that_is_gone_is_a_change_as_well(site):
    assert site.reloader.reload([site.file.with_name("gone.py")])


def test_an_old_cluster_that_has_not_ended_yet_ends_with_the_others(site, tmp_path):
    site.file.write_text("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert site.reloader.reload([site.file])
    stubborn = [answer(site.doorbell), answer(site.doorbell)]
    assert site.change("x = 1")
    lines = [answer(site.doorbell), answer(site.doorbell), *stubborn]
    assert len(site.children.retiring) >= 1
    site.stop()
    assert all(is_dead(line) for line in lines)


# A part that tells each client its number, on the site's socket.
WEB = """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1].removeprefix("fd://")))
print("loaded", flush=True)
while True:
    with listener.accept()[0] as client: client.sendall(str(os.getpid()).encode())
"""


def asked(address: tuple[str, int]) -> int:
    with socket.create_connection(address, TIMEOUT) as line:
        return int(line.makefile().read())


def test_a_new_site_takes_over_on_the_same_socket(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    children = Children(project.BASE_DIR, io.StringIO(), with_database=False, listener=listener)
    del listener
    children.start([Part("web", ("-c", WEB, SOCKET), "loaded")], {**os.environ})
    try:
        (old,) = children.running
        assert asked(address) == old.popen.pid
        children.replace("web")
        old.popen.wait(TIMEOUT)
        (new,) = children.running
        assert asked(address) == new.popen.pid
    finally:
        children.stop()


# --- which files are watched ----------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path) -> Path:
    for name in ("shop", "tests", ".venv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    return tmp_path


@pytest.fixture
def watcher(checkout) -> Iterator[Watcher]:
    """One that watches already: its first change was seen."""
    watcher = Watcher(checkout, print)
    watcher.start()
    seen = threading.Event()
    for number in range(1_000):
        (checkout / "shop" / "begun.py").write_text(f"x = {number}")
        if watcher.has_changed.wait(0.1):
            seen.set()
            break
    assert seen.is_set()
    yield watcher
    watcher.stop()


def changed_in(watcher: Watcher, name: str) -> set[str]:
    """The names of changed files, up to this one."""
    found: set[str] = set()
    while name not in found:
        assert watcher.has_changed.wait(TIMEOUT)
        found |= {path.name for path in watcher.take()}
    return found


def test_python_files_of_the_sites_packages_are_watched_and_no_others(checkout, watcher):
    for place in (".venv/a.py", "tests/b.py", "shop/c.html", "shop/d.py"):
        (checkout / place).write_text("x = 2")
    assert changed_in(watcher, "d.py") <= {"begun.py", "d.py"}


def test_a_package_that_is_new_is_watched_after_the_next_change(checkout, watcher):
    (checkout / "cafe").mkdir()
    (checkout / "cafe" / "__init__.py").write_text("")
    (checkout / "shop" / "settings.py").write_text("x = 1")
    changed_in(watcher, "settings.py")
    for number in range(1_000):
        (checkout / "cafe" / "functions.py").write_text(f"x = {number}")
        if watcher.has_changed.wait(0.1):
            break
    assert "functions.py" in changed_in(watcher, "functions.py")


def test_what_changes_between_two_watches_is_found(checkout, watcher, monkeypatch):
    asked: list[None] = []

    def code_folders_and_a_change(base: Path) -> list[Path]:
        asked.append(None)
        if len(asked) == 2:  # after the first watch, before the second one
            (checkout / "shop" / "between.py").write_text("x = 1")
        return code_folders(base)

    (checkout / "cafe").mkdir()
    (checkout / "cafe" / "__init__.py").write_text("")
    monkeypatch.setattr(reloading, "code_folders", code_folders_and_a_change)
    (checkout / "shop" / "settings.py").write_text("x = 1")
    found = changed_in(watcher, "between.py")
    assert found >= {"settings.py"}


def test_without_the_package_nothing_is_watched_and_that_is_said(checkout, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "watchfiles", None)
    said: list[str] = []
    watcher = Watcher(checkout, said.append)
    watcher.start()
    watcher._thread.join(TIMEOUT)
    (sentence,) = said
    assert sentence.startswith("Python files are not watched, so nothing is reloaded")
    assert "watchfiles" in sentence


def test_cluster_and_site_say_when_their_code_is_loaded():
    """What the supervisor waits for is what they say."""
    from jobs.cluster import command

    gunicorn = Path(project.BASE_DIR) / "deploy/gunicorn.conf.py"
    sources = {"cluster": Path(command.__file__), "web": gunicorn}
    loaded = {part.name: part.loaded for part in PARTS if part.loaded}
    assert loaded.keys() == sources.keys()
    assert all(f'"{loaded[name]}"' in sources[name].read_text() for name in sources)
