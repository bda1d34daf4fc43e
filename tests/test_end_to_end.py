"""The whole way with real processes: `manage.py qcluster`, `manage.py studio`, and this one, which
only orders and looks."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client

from jobs.models import Run
from songs.generation import order_one
from songs.models import Song, User
from tests.support import cast
from tests.support.database import sites_database_url

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]
PATIENCE = 60.0  # seconds; only a test that fails waits for so long
GLANCE = 0.1


class Process:
    """A command of the project, or a module (`-m`), in a process group of its own, so that what it
    leaves is seen."""

    def __init__(self, *arguments: str, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.popen = subprocess.Popen(
                [sys.executable, *([] if arguments[0] == "-m" else ["manage.py"]), *arguments],
                cwd=project.BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def remains(self) -> bool:
        """Whether any process of the group is left, its leader apart once it was waited for."""
        self.popen.poll()
        try:
            os.killpg(self.popen.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait_until(self, is_so: Callable[[], Any], what: str) -> Any:
        """What `is_so` returns once that is true; its process has to live meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while not (found := is_so()):
            assert self.popen.poll() is None, f"{self.popen.args} ended:\n{self.said}"
            assert time.monotonic() < deadline, f"{what}: not in {PATIENCE:g} s.\n{self.said}"
            time.sleep(GLANCE)
        return found

    def terminate(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(PATIENCE)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(PATIENCE)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A development machine's, with backoffs of a second or two and files of its own."""
    ours = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return ours | {
        "DEBUG": "1",
        "DATABASE_URL": sites_database_url(),
        "MEDIA_ROOT": str(tmp_path / "media"),
        "CLUSTER_WORKERS": "2",
        "MODAL_KEY": "end-to-end-key",
        "MODAL_SECRET": "end-to-end-secret",
        "OPENBLAS_NUM_THREADS": "1",
    }


@pytest.fixture
def started(transactional_db, environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Starts commands of the project; whatever of them is left in the end is killed."""
    processes: list[Process] = []

    def start(*arguments: str, **changes: str) -> Process:
        log = tmp_path / f"{len(processes)}-{arguments[0]}.log"
        processes.append(Process(*arguments, environment=environment | changes, log=log))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def studio(started) -> tuple[Process, str]:
    """The studio, on a port that the system chose, and its address."""
    process = started("studio", "--port", "0")
    address = process.wait_until(
        lambda: re.search(r"open at (http://\S+)", process.said), "the studio opens"
    )
    return process, address.group(1)


def order(user: User, description: str) -> Song:
    return order_one(
        user,
        full_described_song=description,
        guidance_scale=15.0,
        audio_duration=10.0,
        instrumental=True,
        form_token=uuid.uuid4(),
    )


def status_of(song: Song) -> str:
    return Song.objects.values_list("status", flat=True).get(pk=song.pk)


def has_ended(song: Song) -> bool:
    """Made or not, and its run with it: the song is there a moment before it is charged."""
    making = Run.objects.unfinished().filter(event_id=song.event_id)
    return status_of(song) not in ("queued", "processing") and not making.exists()


def test_songs_are_made_by_real_processes_and_a_stopped_cluster_leaves_nothing(
    started, studio, settings, tmp_path: Path
) -> None:
    studio_process, address = studio
    settings.MEDIA_ROOT = tmp_path / "media"
    alice, bob = cast.alice(), cast.bob()
    song = order(alice, "a slow piano waltz")
    mended = order(bob, "fail once, then fast techno")

    cluster = started("qcluster", GENERATE_FROM_DESCRIPTION=address)
    for ordered in (song, mended):
        cluster.wait_until(lambda song=ordered: has_ended(song), "the song is made")
        assert status_of(ordered) == "processed", cluster.said

    the_song_can_be_played(song, alice)
    it_was_charged_once(alice, bob)
    the_mended_song_tells_of_its_failure(mended)

    began = time.monotonic()
    assert cluster.terminate() == 0
    cluster_is_gone(cluster, since=began)
    assert studio_process.terminate() == 0
    assert not studio_process.remains
    assert "Traceback" not in cluster.said + studio_process.said


def the_song_can_be_played(song: Song, owner: User) -> None:
    browser = Client()
    browser.force_login(owner)
    audio = browser.get(f"/songs/{song.pk}/audio")
    cover = browser.get(f"/songs/{song.pk}/cover")
    assert (audio["Content-Type"], cover["Content-Type"]) == ("audio/mpeg", "image/png")
    sound = b"".join(audio.streaming_content)
    assert sound[:3] == b"ID3"
    assert len(sound) > 50_000
    assert b"".join(cover.streaming_content)[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(browser.get(f"/songs/{song.pk}.json").json()["categories"]) >= 3


def it_was_charged_once(*listeners: User) -> None:
    for listener in listeners:
        listener.refresh_from_db()
        assert listener.credits == 2
        assert listener.credit_entries.filter(kind="charge").count() == 1


def the_mended_song_tells_of_its_failure(song: Song) -> None:
    run = Run.objects.get(event_id=song.event_id)
    assert run.status == "completed"
    [failed] = run.attempts.filter(status="error")
    assert (failed.step_name, failed.number) == ("call-modal-api", 0)
    assert failed.error_class == "jobs.errors.FetchError"
    assert " answered 500: " in failed.error_message
    assert "CUDA out of memory" in failed.error_message
    assert failed.traceback
    rows = repr([list(run.fetches.values()), list(run.steps.values()), failed.__dict__])
    assert "end-to-end-secret" not in rows


def cluster_is_gone(cluster: Process, since: float) -> None:
    deadline = since + PATIENCE
    while cluster.remains:
        assert time.monotonic() < deadline, f"processes of the cluster remain:\n{cluster.said}"
        time.sleep(GLANCE)


def test_a_cluster_that_is_killed_loses_no_song(started, studio, settings, tmp_path: Path) -> None:
    _, address = studio
    alice = cast.alice()
    song = order(alice, "a slow piano waltz")
    ours = {"GENERATE_FROM_DESCRIPTION": address, "JOBS_LEASE": "2"}

    first = started("qcluster", **ours)
    first.wait_until(lambda: status_of(song) != "queued", "the song is begun")
    first.kill()
    second = started("qcluster", **ours)
    second.wait_until(lambda: has_ended(song), "the next cluster makes the song")

    assert status_of(song) == "processed", second.said
    it_was_charged_once(alice)
    assert second.terminate() == 0
    cluster_is_gone(second, since=time.monotonic())
