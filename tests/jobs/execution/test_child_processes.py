"""A step's process may have children, as any process; they end with it, whatever ends it, and a
copy of a worker never goes on as if it were the worker. Real clusters."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group

from jobs.api import Event, TriggerEvent, send
from jobs.models import Run, Step
from tests.chaos.clusters import Cluster, left_over, state_of, wait_until
from tests.children.ways import ENDING, ENDLESS, LEAVING
from tests.support.database import cluster_environment
from tests.support.functions import registered, the_run

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def cluster(tmp_path: Path):
    cluster = Cluster(
        1,
        cluster_environment("tests.children.settings", workers=2),
        tmp_path,
    )
    yield cluster
    for pid in (pid for pid in cluster.groups if not cluster.is_down):
        os.kill(pid, signal.SIGKILL)  # the sentinel ends the rest
    wait_until(lambda: left_over(set(cluster.groups)) == [], cluster)
    cluster.kill_for_good()


def start(fn_id: str, **data: Any) -> Run:
    trigger = TriggerEvent(event="test/start")
    with registered(lambda ctx: None, fn_id=fn_id, trigger=trigger, retries=0):
        send(Event(name="test/start", data=data))
    return the_run(fn_id)


def ended(run: Run, cluster: Cluster) -> Run:
    wait_until(lambda: Run.objects.filter(id=run.id, ended_at__isnull=False).exists(), cluster)
    run.refresh_from_db()
    assert run.status == "completed", (run.error, cluster.log.read_text())
    return run


def test_every_way_to_start_a_process_works_in_a_step_and_a_copy_ends_itself(cluster: Cluster):
    ending, copies = start("ending"), start("copies")

    assert ended(ending, cluster).output == dict.fromkeys(ENDING, 1)
    assert Group.objects.filter(name__in=["parent", "child"]).count() == 2
    names = [f"{way}, {how}" for how in ("atomic", "not atomic") for way in LEAVING]
    codes = dict(zip(names, 2 * [0, 1, 7, 1], strict=True))
    expected = codes | {"a step of a copy": 1, "the function returned": 0}
    assert ended(copies, cluster).output == expected
    assert list(copies.steps.values_list("name", flat=True)) == names
    assert copies.attempts.count() == 0
    assert (copies.lost_count, copies.log_lines.count()) == (0, 0)
    said = cluster.log.read_text()
    assert "a copy's error" in said
    assert "a copy's last words" in said
    cluster.stop_for_good()
    wait_until(lambda: cluster.is_down, cluster)
    assert left_over(set(cluster.groups)) == []


def those_of(run: Run, cluster: Cluster) -> dict[str, Any]:
    """The numbers of the processes that it has started, all of which are there."""
    said = Step.objects.filter(run=run, name="say", status="completed")
    wait_until(said.exists, cluster)
    told = said.get().output
    assert len(told["started"]) > len(ENDLESS)
    assert living(told["started"]) == told["started"]
    assert living(told["background"]) == told["background"]
    return dict(told)


def living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if state_of(pid) != "Z"]


def are_gone(pids: list[int]) -> Callable[[], bool]:
    return lambda: not living(pids)


def test_what_a_step_has_started_ends_with_its_worker_and_no_other_does(cluster: Cluster):
    doomed = those_of(start("endless", holds=True), cluster)
    spared = those_of(start("endless", holds=True), cluster)

    (pusher,) = cluster.members("pusher")
    os.kill(pusher, signal.SIGKILL)
    wait_until(lambda: cluster.members("pusher") not in ([pusher], []), cluster)
    assert living(doomed["started"]) == doomed["started"]
    os.kill(doomed["worker"], signal.SIGKILL)
    wait_until(are_gone(doomed["started"]), cluster)
    for pids in (spared["started"], spared["background"], doomed["background"]):
        assert living(pids) == pids


ENDS: dict[str, Callable[[Cluster], None]] = {
    "main is killed": lambda cluster: os.kill(cluster.groups[0], signal.SIGKILL),
    "the sentinel is killed": lambda cluster: os.kill(
        cluster.members("sentinel")[0], signal.SIGKILL
    ),
    "the sentinel is told to end in a way that it does not expect": lambda cluster: os.kill(
        cluster.members("sentinel")[0], signal.SIGQUIT
    ),
    "main is hung up on": lambda cluster: os.kill(cluster.groups[0], signal.SIGHUP),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_nothing_is_left_of_a_cluster_that_ends_in_the_midst_of_a_step(
    end: Callable[[Cluster], None], cluster: Cluster
):
    told = those_of(start("endless", holds=True), cluster)

    end(cluster)
    wait_until(are_gone([*told["started"], *told["background"], told["worker"]]), cluster)
    wait_until(lambda: left_over(set(cluster.groups)) == [], cluster)


@pytest.mark.parametrize("end", [os.kill, os.killpg])
def test_nothing_is_left_of_a_cluster_that_is_stopped_and_it_does_not_wait_for_what_steps_have_left(
    end: Callable[[int, int], None], cluster: Cluster
):
    run = start("endless", holds=False)
    told = those_of(run, cluster)
    ended(run, cluster)

    end(cluster.groups[0], signal.SIGTERM)
    wait_until(lambda: cluster.is_down, cluster)
    assert living([*told["started"], *told["background"], told["worker"]]) == []
    assert left_over(set(cluster.groups)) == []
