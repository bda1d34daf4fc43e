"""The checkout's own PostgreSQL, in a checkout whose path is as awkward as paths get."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from melodymaker import embedded
from melodymaker.embedded import programs
from melodymaker.embedded.place import Place
from melodymaker.embedded.processes import pid_in

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Iterator[Path]:
    base = tmp_path_factory.mktemp("it's a path") / ("long" * 30) / "with spaces"
    base.mkdir(parents=True)
    yield base
    embedded.forget(base)


@pytest.fixture
def running(checkout: Path) -> Path:
    embedded.start(checkout)
    return checkout


def ask(base: Path, question: str) -> object:
    there = embedded.connection(base)
    with psycopg.connect(
        host=there["HOST"], port=there["PORT"], user=there["USER"], dbname=there["NAME"]
    ) as connection:
        answer = connection.execute(question)
        row = answer.fetchone() if answer.description else None
    return row and row[0]


def test_two_processes_at_once_start_one_server(checkout: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from melodymaker import embedded;"
        "embedded.start(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(checkout)]
    both = [subprocess.Popen(command, cwd=settings.BASE_DIR) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert ask(checkout, "SELECT current_database()") == "melodymaker"


def test_a_second_start_finds_the_first_ones_server(running: Path) -> None:
    before = pid_in(Place(running).pid_file)
    embedded.start(running)
    assert pid_in(Place(running).pid_file) == before


def test_it_keeps_what_is_committed_on_disk_and_listens_to_no_network(running: Path) -> None:
    assert ask(running, "SHOW fsync") == "on"
    assert ask(running, "SHOW synchronous_commit") == "on"
    assert ask(running, "SHOW listen_addresses") == ""


def test_no_other_account_can_reach_its_socket_or_its_data(running: Path) -> None:
    place = Place(running)
    assert place.sockets.stat().st_mode & 0o077 == 0
    assert place.guard.stat().st_mode & 0o077 == 0


def test_it_knows_letters_beyond_ascii(running: Path) -> None:
    assert ask(running, "SELECT lower('ÄÉØ') COLLATE \"default\"") == "äéø"


def test_stop_ends_it_and_the_next_start_has_its_data(running: Path) -> None:
    ask(running, "CREATE TABLE kept AS SELECT 1 AS n")
    assert embedded.stop(running)
    assert "is stopped" in embedded.status(running)
    assert not embedded.stop(running)
    embedded.start(running)
    assert "runs" in embedded.status(running)
    assert ask(running, "SELECT n FROM kept") == 1


def test_a_killed_server_is_started_again(running: Path) -> None:
    os.kill(pid_in(Place(running).pid_file), signal.SIGKILL)
    embedded.start(running)
    assert ask(running, "SELECT 1") == 1


def test_a_pid_that_now_belongs_to_another_program_is_not_waited_for(running: Path) -> None:
    embedded.stop(running)
    Place(running).pid_file.write_text(f"{os.getpid()}\n")
    embedded.start(running)
    assert ask(running, "SELECT 1") == 1


def test_a_swept_temporary_folder_does_not_cut_us_off(running: Path) -> None:
    Place(running).socket.unlink()
    embedded.start(running)
    assert ask(running, "SELECT 1") == 1


def test_data_of_another_version_are_left_alone_with_a_sentence(running: Path) -> None:
    embedded.stop(running)
    version = Place(running).data / "PG_VERSION"
    ours = version.read_text()
    version.write_text("9\n")
    try:
        with pytest.raises(embedded.DatabaseUnavailable, match=r"PostgreSQL 9.*make clean"):
            embedded.start(running)
    finally:
        version.write_text(ours)


def test_forget_leaves_nothing_but_the_lock(checkout: Path) -> None:
    embedded.start(checkout)
    assert embedded.forget(checkout)
    assert not embedded.forget(checkout)
    assert os.listdir(checkout / ".local") == ["postgres.lock"]
    assert not Place(checkout).sockets.exists()
    assert "no database yet" in embedded.status(checkout)


def test_a_socket_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.sockets.mkdir()
    place.sockets.chmod(0o755)
    try:
        with pytest.raises(embedded.DatabaseUnavailable, match="not a private folder"):
            embedded.start(tmp_path)
    finally:
        place.sockets.rmdir()


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[Place]:
    """A folder that is not private to this user at the place of the socket, with a server's socket
    and lock file in it."""
    place = Place(tmp_path)
    place.sockets.mkdir(mode=0o755)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(place.socket))
    listening.listen()
    listening.settimeout(0)
    process = subprocess.Popen(["sleep", "60"], executable="/bin/sleep")
    place.socket.with_name(f"{place.socket.name}.lock").write_text(f"{process.pid}\n")
    if os.geteuid() == 0:  # else its mode alone tells that it is not private
        os.chown(place.sockets, 12_345, 12_345)
    yield place
    with pytest.raises(BlockingIOError):
        listening.accept()  # no connection was made
    listening.close()
    assert process.poll() is None
    process.kill()
    process.wait()
    shutil.rmtree(place.sockets)


@pytest.mark.parametrize("verb", ["start", "stop", "forget", "status", "others"])
def test_a_strangers_socket_folder_is_refused_before_it_is_used(
    strangers: Place, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr("melodymaker.embedded.processes.is_postgres", bool)  # all are servers
    with pytest.raises(embedded.DatabaseUnavailable, match="not a private folder"):
        getattr(embedded, verb)(strangers.base)


def test_without_postgresql_the_sentence_names_the_way_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(programs, "_candidates", lambda: iter([tmp_path / "nothing"]))
    with pytest.raises(embedded.DatabaseUnavailable, match="DATABASE_URL"):
        embedded.start(tmp_path)


@pytest.mark.parametrize(
    ("line", "needs_it"),
    [
        ("migrate", True),
        ("qcluster", True),
        ("shell -c pass", True),
        ("up", False),
        ("database stop", False),
        ("check --deploy", False),
        ("migrate --help", False),
        ("help migrate", False),
        ("", False),
    ],
)
def test_only_commands_that_need_the_database_start_it(line: str, needs_it: bool) -> None:
    assert embedded.wanted(["manage.py", *line.split()]) is needs_it
