"""What real clusters leave in their rows when they end, and what they count while they live."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.api import Event, send
from jobs.metrics.clusters import ALIVE, DIED, STOPPED, ClusterFigures, clusters
from jobs.metrics.failures import failures
from jobs.models import RollupMark, Run
from jobs.testing import travel
from tests.chaos.clusters import Cluster, wait_until
from tests.support.database import cluster_environment
from tests.support.ended import minutes
from tests.support.functions import registered

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]


def rows() -> list[ClusterFigures]:
    return clusters().clusters


def test_a_stopped_cluster_says_so_a_killed_one_cannot_and_both_have_counted(tmp_path: Path):
    environment = cluster_environment("tests.catalogue.settings", workers=1)
    with registered(lambda ctx: None, fn_id="callback-in-a-line", retries=0):
        send(Event(name="test/go"))
    first = Cluster(1, environment, tmp_path)
    try:
        wait_until(lambda: RollupMark.objects.exists() and rows(), first)
        wait_until(lambda: not Run.objects.unfinished().exists(), first)
        wait_until(lambda: [one.health for one in rows()] == [ALIVE], first)
        (one,) = rows()
        assert one.workers == 1
        assert len(one.version) == 8
        first.stop_for_good()
        wait_until(lambda: first.is_down, first)
        assert [one.health for one in rows()] == [STOPPED]
    finally:
        first.kill_for_good()
    second = Cluster(2, environment, tmp_path)
    try:
        wait_until(lambda: len(clusters().alive) == 1, second)
    finally:
        second.kill_for_good()
    travel(minutes(1))
    assert sorted(one.health for one in rows()) == [DIED, STOPPED]
    assert failures().runs == 0
