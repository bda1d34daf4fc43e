"""Steps that take too long for a real cluster, and a stop that comes meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from django.db import connection

from jobs.api import Event, TriggerEvent, send
from jobs.models import Run
from tests.chaos.clusters import Cluster, left_over, wait_until
from tests.support.database import cluster_environment
from tests.support.functions import registered, the_run

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]
FOREVER = 3600


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path):
    limits = {"STEP_TIMEOUT": getattr(request, "param", "2")}
    cluster = Cluster(1, cluster_environment("tests.stuck.settings", workers=2, **limits), tmp_path)
    yield cluster
    cluster.kill_for_good()


def start(fn_id: str, **data: int) -> Run:
    with registered(lambda ctx: None, fn_id=fn_id, trigger=TriggerEvent(event="test/stuck")):
        send(Event(name="test/stuck", data=data))
    return the_run(fn_id)


def how_it_failed(run: Run) -> list[tuple[str, str]]:
    failed = run.attempts.filter(status="error")
    return list(failed.values_list("step_name", "error_class"))


def test_what_outlives_its_time_fails_and_a_stop_of_every_process_at_once_is_in_good_order(
    cluster: Cluster,
):
    late, deaf = start("hold", seconds=FOREVER), start("deaf")
    wait_until(lambda: Run.objects.filter(status="failed").count() == 2, cluster)
    assert how_it_failed(late) == [("hold", "django_q.exceptions.TimeoutException")]
    assert how_it_failed(deaf) == [("count", "jobs.errors.WorkerLost")]

    held = start("hold", seconds=1)
    wait_until(lambda: held.steps.filter(name="before").exists(), cluster)
    os.killpg(cluster.groups[0], signal.SIGTERM)
    wait_until(lambda: cluster.is_down, cluster)
    assert left_over(set(cluster.groups)) == []
    held.refresh_from_db()
    assert held.status in ("completed", "queued")  # finished, or put down after its step
    assert (held.lost_count, held.lease_token) == (0, None)
    assert held.steps.filter(name="hold").count() == 1
    assert how_it_failed(held) == []


def asks() -> bool:
    """The server works on the statement of “slow-statement”."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'active' AND query = 'SELECT pg_sleep(3600)'"
        )
        return cursor.rowcount > 0


@pytest.mark.needs_session  # a pool is told nothing
@pytest.mark.parametrize("cluster", [str(FOREVER)], indirect=True)
def test_the_server_ends_the_statement_of_a_killed_worker(cluster: Cluster):
    """Its locks would be in the way of the next attempt."""
    killed = start("slow-statement", seconds=FOREVER)
    wait_until(lambda: asks() and cluster.members("worker"), cluster)
    for worker in cluster.members("worker"):
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not asks(), cluster)
    wait_until(lambda: Run.objects.filter(status="failed").exists(), cluster)
    assert how_it_failed(killed) == [("ask", "jobs.errors.WorkerLost")]
