"""A cluster on a database that has not been migrated yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.db import connection

from jobs.api import Event, TriggerEvent, send
from jobs.cluster.missing_tables import missing_tables, wait_for_tables
from jobs.models import Cluster as ClusterRow
from jobs.models import Run
from tests.chaos.clusters import Cluster, wait_until
from tests.support.database import cluster_environment
from tests.support.functions import registered

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = ClusterRow._meta.db_table


@pytest.fixture
def lacking() -> Iterator[None]:
    rename(TABLE, "moved_away")
    yield
    if missing_tables():
        rename("moved_away", TABLE)


def rename(table: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


def test_a_database_that_has_all_tables_is_not_waited_for() -> None:
    said: list[str] = []
    wait_for_tables(said.append)
    assert said == []


@pytest.mark.cluster
@pytest.mark.usefixtures("lacking")
def test_a_cluster_says_what_is_missing_and_starts_when_it_is_there(tmp_path: Path) -> None:
    cluster = Cluster(1, cluster_environment("tests.stuck.settings", workers=1), tmp_path)
    try:
        wait_until(lambda: "manage.py migrate" in log_of(tmp_path), cluster)
        assert f"lacks tables of the engine ({TABLE})." in log_of(tmp_path)
        assert "The cluster starts." not in log_of(tmp_path)

        rename("moved_away", TABLE)

        with registered(lambda ctx: None, fn_id="hold", trigger=TriggerEvent(event="test/stuck")):
            send(Event(name="test/stuck", data={"seconds": 0}))
        wait_until(lambda: Run.objects.filter(status="completed").exists(), cluster)
        cluster.stop_for_good()
        wait_until(lambda: cluster.is_down, cluster)
        assert log_of(tmp_path).count("manage.py migrate") == 1
        assert not cluster.problems
    finally:
        cluster.kill_for_good()


@pytest.mark.usefixtures("lacking")
def test_a_cluster_that_runs_once_does_not_wait() -> None:
    with pytest.raises(CommandError, match=rf"\({TABLE}\)\. manage\.py migrate makes them"):
        wait_for_tables(print, is_patient=False)


def log_of(folder: Path) -> str:
    return (folder / "cluster-1.log").read_text()
