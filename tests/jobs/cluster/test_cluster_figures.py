"""A cluster that stopped in good order is told apart from one that died."""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

import pytest
from django.utils import timezone
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_q.status import Status

from jobs.cluster.broker import RunBroker
from jobs.cluster.code_version import code_version
from jobs.cluster.pulse import pulse_of
from jobs.cluster.worker_table import PusherStatus, WorkerTable
from jobs.execution.current_step import encode_current_step
from jobs.metrics.clusters import ALIVE, DIED, STALLED, STOPPED, clusters
from jobs.models import Cluster, Step
from jobs.runs.standstill import standstill
from jobs.testing import travel
from tests.support.ended import ended, minutes
from tests.support.rows import make_cluster, make_fetch, now

pytestmark = pytest.mark.django_db
PULSE = {"looked": 1.0, "claimed": 1.0, "problem": "", "at_work": 1, "workers": 2}


@pytest.fixture
def sentinel(in_a_cluster) -> RunBroker:
    """The broker of a sentinel that has a worker table, and no processes."""
    in_a_cluster.worker_table.report_status(PusherStatus(time.monotonic(), time.monotonic()))
    return RunBroker.__new__(RunBroker)


def says(sentinel: RunBroker, status: Any, **more: Any) -> None:
    stat = Status(os.getpid(), uuid.uuid4())
    vars(stat).update(status=status, pusher=os.getpid(), **more)
    sentinel.set_stat("melodymaker:1", SignedPackage.dumps(stat, True), 3)


@pytest.fixture
def living(sentinel: RunBroker) -> RunBroker:
    sentinel._stat_written = 0.0
    says(sentinel, Conf.WORKING)
    return sentinel


def test_a_cluster_that_says_so_is_alive(living: RunBroker):
    (one,) = clusters().clusters
    assert (one.health, one.busy, one.stopped_at) == (ALIVE, 0, None)
    assert one.name == f"{one.host}:{os.getpid()}"
    assert one.version == code_version()
    assert one.memory is not None
    assert one.memory > 1_000_000


def test_its_last_word_tells_that_it_stopped_in_good_order(living: RunBroker):
    says(living, Conf.STOPPED)  # within the two seconds in which it says nothing else
    (one,) = clusters().clusters
    assert (one.health, one.is_alive) == (STOPPED, False)
    assert standstill().startswith("no cluster has been heard of")
    travel(minutes(10))
    assert clusters().clusters[0].health == STOPPED


def test_while_it_is_stopping_it_is_alive(living: RunBroker):
    living._stat_written = 0.0
    says(living, Conf.STOPPING)
    assert clusters().clusters[0].health == ALIVE


def test_one_that_falls_silent_without_that_word_has_died(living: RunBroker):
    travel(minutes(1))
    (one,) = clusters().clusters
    assert one.health == DIED
    assert 60 <= one.silent_seconds < 120


def test_one_that_does_not_look_for_due_runs_is_stalled():
    told = PULSE | {"looked": 9.0, "problem": "no such column"}
    make_cluster(pulse=told, started_at=now() - minutes(1))
    (one,) = clusters().clusters
    assert (one.health, one.problem, one.is_alive) == (STALLED, "no such column", True)


def test_one_that_has_just_been_started_has_not_looked_yet_and_is_alive():
    make_cluster(pulse=PULSE | {"looked": None})
    assert clusters().clusters[0].health == ALIVE


def test_a_cluster_of_an_older_version_says_less():
    make_cluster(pulse=PULSE)
    make_cluster("melodymaker:2")
    found = {c.key: (c.health, c.busy, c.in_flight) for c in clusters().clusters}
    assert found == {"melodymaker:1": (ALIVE, 1, None), "melodymaker:2": (ALIVE, 0, None)}


def test_a_pulse_tells_what_each_worker_is_at_and_what_is_in_flight():
    worker_table, run_id = WorkerTable(), uuid.uuid4()
    worker_table.begin(run_id, uuid.uuid4())
    worker_table.step_changed(encode_current_step(Step(name="update-song", kind="run")))
    worker_table.report_status(PusherStatus(1.0, 1.0, "", 7))
    pulse = pulse_of(worker_table, 2)
    ((pid, run, step, seconds),) = pulse["at"]
    assert (pid, run, step) == (os.getpid(), str(run_id), "update-song")
    assert 0 <= seconds < 60
    assert (pulse["in_flight"], pulse["at_work"], pulse["workers"]) == (7, 1, 2)


def test_two_clusters_that_run_different_code_are_told():
    make_cluster("a", version="1.0", pulse=PULSE)
    make_cluster("b", version="1.1", pulse=PULSE)
    make_cluster("gone", version="0.9", pulse=PULSE, stopped_at=timezone.now())
    assert clusters().versions == ["1.0", "1.1"]


def test_a_version_that_is_set_is_the_codes_name(settings):
    code_version.cache_clear()
    assert len(code_version()) == 8
    settings.JOBS = {**settings.JOBS, "VERSION": "2026-11-28"}
    code_version.cache_clear()
    assert code_version() == "2026-11-28"
    code_version.cache_clear()


def test_two_clusters_with_different_secrets_are_told_by_the_secrets_name():
    make_cluster("a", pulse=PULSE | {"secrets": {"MODAL_KEY": "1f", "MODAL_SECRET": "aa"}})
    make_cluster("b", pulse=PULSE | {"secrets": {"MODAL_KEY": "1f", "MODAL_SECRET": "bb"}})
    assert clusters().unlike_secrets == ["MODAL_SECRET"]


def test_no_secret_and_no_part_of_one_is_in_a_pulse(settings):
    settings.MODAL_SECRET = "a-secret-of-length"
    settings.JOBS = {**settings.JOBS, "SECRETS": ["MODAL_SECRET"]}
    from jobs.cluster import pulse

    pulse._digests.cache_clear()
    told = str(pulse_of(WorkerTable(), 2))
    pulse._digests.cache_clear()
    assert "MODAL_SECRET" in told
    assert "secret-of" not in told


def test_requests_are_counted_by_host():
    run = ended()
    begun = now() - minutes(1)
    for number in range(3):
        make_fetch(
            run,
            begun,
            1,
            200,
            step_name=f"s{number}",
            status="sending",
            ended_at=None,
            lease_token=uuid.uuid4(),
            lease_until=now() + minutes(1),
            url="https://Studio.example/make",
        )
    make_fetch(
        run,
        begun,
        1,
        200,
        step_name="p",
        status="pending",
        sent_at=None,
        ended_at=None,
        url="http://studio.example:8000/make",
        created_at=begun,
    )
    make_fetch(run, begun, 1, 200, step_name="done", url="http://other.example/")
    first, second = clusters().hosts
    assert (first.host, first.in_flight, first.queued) == ("studio.example", 3, 0)
    assert (second.host, second.in_flight, second.queued) == ("studio.example:8000", 0, 1)
    assert 60 <= first.oldest_in_flight < 120
    assert 60 <= second.oldest_queued < 120


def test_the_living_come_first():
    make_cluster("dead", pulse=PULSE)
    travel(minutes(5))
    make_cluster("alive", pulse=PULSE)
    Cluster.objects.filter(key="dead").update(started_at=timezone.now())
    assert [c.key for c in clusters().clusters] == ["alive", "dead"]
