"""A real cluster on a machine whose clock may be set back, and whose disk has no room for a log."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.api import Event, TriggerEvent, send
from jobs.models import Run
from tests.chaos.clusters import Cluster, wait_until
from tests.support.database import cluster_environment
from tests.support.functions import registered, the_run

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]
# Linux: a futex that waits until a time of the wall clock.
FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
BY_THE_WALL_CLOCK = 256
LOOKS = 200


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Cluster]]:
    clusters: list[Cluster] = []
    yield clusters
    for cluster in clusters:
        cluster.kill_for_good()


def start(started: list[Cluster], folder: Path) -> Cluster:
    started.append(Cluster(1, cluster_environment("tests.stuck.settings", workers=1), folder))
    return started[0]


def work_through_a_run(cluster: Cluster) -> None:
    with registered(lambda ctx: None, fn_id="hold", trigger=TriggerEvent(event="test/stuck")):
        send(Event(name="test/stuck", data={"seconds": 0}))
    wait_until(lambda: Run.objects.filter(status="completed").exists(), cluster)
    assert the_run("hold").status == "completed"


def test_a_cluster_whose_log_has_no_room_works_and_stops_in_good_order(
    started: list[Cluster], tmp_path: Path
):
    log = tmp_path / "cluster-1.log"
    log.symlink_to("/dev/full")
    cluster = start(started, tmp_path)
    log.unlink()
    log.touch()  # for wait_until, which would read the other one for ever
    work_through_a_run(cluster)
    wait_until(lambda: cluster.members("worker"), cluster)
    (worker,) = cluster.members("worker")
    os.kill(worker, signal.SIGKILL)  # the sentinel says so, and makes another one
    Run.objects.all().delete()
    work_through_a_run(cluster)
    cluster.stop_for_good()
    wait_until(lambda: cluster.is_down, cluster)
    assert not cluster.problems


@pytest.mark.skipif(FUTEX is None, reason="the number of this machine's futex is not known")
def test_no_process_of_a_cluster_waits_for_a_time_of_the_wall_clock(
    started: list[Cluster], tmp_path: Path
):
    """It would stand still for an hour if the clock is set back by one."""
    cluster = start(started, tmp_path)
    work_through_a_run(cluster)
    for _ in range(LOOKS):
        assert [call for call in waits_of(cluster) if is_by_the_wall_clock(call)] == []


def waits_of(cluster: Cluster) -> Iterator[list[str]]:
    """The system calls in which its threads are: a number and six arguments each."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and os.getpgid(int(folder.name)) == cluster.groups[0]:
                for thread in (folder / "task").iterdir():
                    yield (thread / "syscall").read_text().split()
        except OSError:  # it has ended
            continue


def is_by_the_wall_clock(call: list[str]) -> bool:
    if call[0] != str(FUTEX):
        return False
    operation, deadline = int(call[2], 16), int(call[4], 16)
    return bool(operation & BY_THE_WALL_CLOCK and deadline)
