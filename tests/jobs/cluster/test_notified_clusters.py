"""A real cluster that never looks by itself: whatever it does, it was told to (tests.telling)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from jobs.api import Event, TriggerEvent, send
from jobs.models import Run
from jobs.platform.postgres import notifier
from tests.chaos.clusters import Cluster, wait_until
from tests.support.database import cluster_environment, database_url
from tests.support.functions import registered

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("listens on its own session"),
]


@pytest.fixture(autouse=True)
def functions(monkeypatch) -> Iterator[None]:
    """As the cluster knows them; and this process has told nothing yet."""
    monkeypatch.setattr(notifier, "_notified", {})
    with (
        registered(print, fn_id="listens", trigger=TriggerEvent(event="test/listen")),
        registered(print, fn_id="asks", trigger=TriggerEvent(event="test/ask")),
    ):
        yield


@contextmanager
def at_rest(folder: Path, **environment: str) -> Iterator[Cluster]:
    """A cluster that listens, and has looked for what was due when it began to."""
    told = cluster_environment("tests.telling.settings", workers=1, **environment)
    cluster = Cluster(1, told, folder)
    try:
        wait_until(listeners, cluster)
        yield cluster
    finally:
        cluster.kill_for_good()


def listeners() -> int:
    """Sessions that have asked last when the next run is due: pushers at rest."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle' AND query LIKE '%%extract(epoch FROM due_at%%'"
        )
        return int(cursor.fetchone()[0])


def done(fn_id: str, count: int = 1) -> Callable[[], bool]:
    found = Run.objects.filter(fn_id=fn_id, status="completed")
    return lambda: found.count() == count


def test_a_lone_run_is_started_by_the_word_of_its_sender(tmp_path: Path):
    with at_rest(tmp_path) as cluster:
        send(Event(name="test/listen"))
        wait_until(done("listens"), cluster)


def test_what_was_sent_just_after_a_word_is_found_by_the_second_look(tmp_path: Path, monkeypatch):
    with at_rest(tmp_path, TELLING_AGAIN="5") as cluster:
        send(Event(name="test/listen"))
        wait_until(done("listens"), cluster)
        monkeypatch.setattr(notifier, "GAP", 3600.0)  # the second one is not told
        send(Event(name="test/listen"))
        wait_until(done("listens", 2), cluster)


def test_what_a_worker_makes_due_goes_on_in_its_cluster_and_the_others_are_told(tmp_path: Path):
    with (
        at_rest(tmp_path) as cluster,
        psycopg.connect(database_url(), autocommit=True) as ear,
    ):
        ear.execute("LISTEN jobs")
        send(Event(name="test/ask"))
        wait_until(done("asks"), cluster)
        told_by = {word.pid for word in ear.notifies(timeout=0)}
    assert Run.objects.get(fn_id="asks").output == "heard"
    assert len(told_by - {connection.connection.info.backend_pid}) == 1
