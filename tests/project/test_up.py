"""What `make run` refuses, notices and ends."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as project
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from melodymaker.supervisor import Children, InstanceLock, Occupied, Part, PartEnded
from songs.models import CreditEntry, User

pytestmark = pytest.mark.processes

TIMEOUT = 20.0


@pytest.fixture
def doorbell() -> Iterator[socket.socket]:
    """Where processes ring to say that they live; the line goes dead with them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(TIMEOUT)
        yield server


def rings(doorbell: socket.socket, child: bool = False) -> Part:
    """A part that rings and then waits for ever; with `child`, a child of its own does too."""
    ring = (
        "import os, socket, threading\n"
        f"{'os.fork()' if child else ''}\n"
        f"line = socket.create_connection({doorbell.getsockname()})\n"
        "line.sendall(b'!')\n"
        "threading.Event().wait()\n"
    )
    return Part("bell", ("-c", ring))


def answer(doorbell: socket.socket) -> socket.socket:
    line, _ = doorbell.accept()
    line.settimeout(TIMEOUT)
    assert line.recv(1) == b"!"
    return line


def is_dead(line: socket.socket) -> bool:
    try:
        return line.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("name", ["PORT", "STUDIO_PORT"])
def test_up_refuses_a_taken_port_and_names_it(settings, tmp_path, doorbell, name: str) -> None:
    taken = doorbell.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    settings.DEBUG, settings.BASE_DIR = True, tmp_path
    settings.PORT = settings.STUDIO_PORT = free
    setattr(settings, name, taken)
    with pytest.raises(CommandError, match=rf"Port {taken} \({name}\).*PORT=9000 make run"):
        call_command("up")
    assert not (tmp_path / ".local" / "postgres").exists()


def test_up_refuses_production(settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="known passwords"):
        call_command("up")


def test_one_up_in_a_checkout(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path), InstanceLock(tmp_path)
    first.acquire("http://127.0.0.1:8000/")
    with pytest.raises(Occupied, match=rf"8000/ \(process {os.getpid()}\).*make stop"):
        second.acquire("http://127.0.0.1:9000/")
    first.release()
    second.acquire("http://127.0.0.1:9000/")
    second.release()


def test_the_one_that_runs_goes_on_until_its_file_is_gone(tmp_path: Path) -> None:
    claim = InstanceLock(tmp_path)
    claim.acquire("http://127.0.0.1:8000/")
    assert not claim.withdrawn
    (tmp_path / ".local" / "running").unlink()
    assert claim.withdrawn
    claim.release()


def test_stop_waits_for_the_one_that_runs(tmp_path: Path) -> None:
    holder = (
        "import sys, time; from pathlib import Path\n"
        "from melodymaker.supervisor import InstanceLock\n"
        "claim = InstanceLock(Path(sys.argv[1]))\n"
        "claim.acquire('here'); print('taken', flush=True)\n"
        "while not claim.withdrawn: time.sleep(0.01)\n"
        "claim.release()\n"
    )
    process = start(holder, str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    assert InstanceLock(tmp_path).withdraw(patience=TIMEOUT)
    assert process.wait(TIMEOUT) == 0
    assert not InstanceLock(tmp_path).withdraw()


def test_stop_with_nothing_running_says_so(tmp_path: Path) -> None:
    assert not InstanceLock(tmp_path).withdraw()


def test_a_part_that_dies_is_named_with_its_last_words() -> None:
    children = Children(project.BASE_DIR, io.StringIO(), with_database=False)
    try:
        last_words = Part("choir", ("-c", "print('out of tune'); raise SystemExit(3)"))
        children.start([last_words], dict(os.environ))
        running = children.running[0]
        running.popen.wait(TIMEOUT)
        with pytest.raises(PartEnded, match=r"The choir ended with exit code 3.*\s+out of tune"):
            children.check()
    finally:
        children.stop()


def test_every_line_says_whose_it_is() -> None:
    out = io.StringIO()
    children = Children(project.BASE_DIR, out, with_database=False)
    parts = [Part("choir", ("-c", "print('la')")), Part("organ", ("-c", "print('hum')"))]
    children.start(parts, dict(os.environ))
    for running in children.running:
        running.listener.join(TIMEOUT)
    children.stop()
    assert sorted(out.getvalue().splitlines()) == ["choir | la", "organ | hum"]


def test_stopping_ends_a_part_and_its_children(doorbell) -> None:
    children = Children(project.BASE_DIR, io.StringIO(), with_database=False)
    children.start([rings(doorbell, child=True)], dict(os.environ))
    lines = [answer(doorbell), answer(doorbell)]
    children.stop()
    assert all(is_dead(line) for line in lines)


def test_a_killed_supervisor_leaves_nothing_running(doorbell) -> None:
    part = rings(doorbell, child=True)
    code = (
        "import json, os, sys, threading; from pathlib import Path\n"
        "from melodymaker.supervisor import Children, Part\n"
        "children = Children(Path.cwd(), sys.stdout, with_database=False)\n"
        "children.start([Part(*json.loads(sys.argv[1]))], dict(os.environ))\n"
        "threading.Event().wait()\n"
    )
    process = start(code, json.dumps([part.name, part.arguments]))
    lines = [answer(doorbell), answer(doorbell)]
    process.send_signal(signal.SIGKILL)
    assert all(is_dead(line) for line in lines)
    process.wait(TIMEOUT)


@pytest.fixture
def development(settings, db) -> None:
    settings.DEBUG = True


def test_the_demo_accounts_are_made_once_with_their_credits(development) -> None:
    call_command("demo", verbosity=0)
    listener = authenticate(username="demo", password="demo-password")
    operator = authenticate(username="admin", password="admin-password")
    assert isinstance(listener, User)
    assert isinstance(operator, User)
    assert (listener.credits, listener.is_staff, operator.is_superuser) == (100, False, True)
    assert CreditEntry.objects.filter(user=listener).count() == 1


def test_a_changed_password_and_balance_are_left_alone(development) -> None:
    call_command("demo", verbosity=0)
    demo = User.objects.get(username="demo")
    demo.set_password("mine now")
    demo.save()
    call_command("demo", verbosity=0)
    assert authenticate(username="demo", password="mine now") == demo
    assert User.objects.get(username="demo").credits == 100


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=project.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
