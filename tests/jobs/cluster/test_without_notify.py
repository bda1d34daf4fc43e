"""Where no NOTIFY arrives, as behind a pool in transaction mode, a cluster looks once a second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

from jobs.api import Event, TriggerEvent, send
from jobs.models import Attempt, Run
from tests.chaos.clusters import Cluster, wait_until
from tests.support.database import database_url
from tests.support.functions import registered
from tests.support.hostile_endpoint import Adversary, answer

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("the cluster's sessions begin with a search_path of the test's"),
]

# Found before PostgreSQL's own by whoever looks into `public` first.
MUTE = """
CREATE FUNCTION public.pg_notify(channel text, payload text) RETURNS void
    LANGUAGE sql AS 'SELECT NULL::void'
"""
PUBLIC_FIRST = "public, pg_catalog"


@pytest.fixture
def no_notify(transactional_db) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(MUTE)
        cursor.execute(f"SET search_path = {PUBLIC_FIRST}")
        yield
        cursor.execute("RESET search_path")
        cursor.execute("DROP FUNCTION public.pg_notify(text, text)")


def test_a_cluster_that_hears_nothing_finds_runs_requests_and_answers(
    no_notify, tmp_path: Path
) -> None:
    told = quote(f"-c search_path={PUBLIC_FIRST.replace(' ', '')}")
    url = database_url()
    with (
        Adversary(answer(b"song")) as server,
        psycopg.connect(url, autocommit=True) as listener,
        registered(print, fn_id="asks", trigger=TriggerEvent(event="test/ask")),
    ):
        listener.execute("LISTEN jobs")
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "DATABASE_URL": f"{url}&options={told}" if "?" in url else f"{url}?options={told}",
            **{"DEBUG": "1", "CLUSTER_WORKERS": "1"},
            "DJANGO_SETTINGS_MODULE": "tests.outage.settings",
            "OUTAGE_HOST": server.netloc,
        }
        cluster = Cluster(1, environment, tmp_path)
        try:
            send([Event(name="test/ask", data={"n": n}) for n in range(3)])
            done = Run.objects.filter(status="completed", output="song")
            wait_until(lambda: done.count() == 3, cluster)
        finally:
            cluster.kill_for_good()
        assert list(listener.notifies(timeout=0)) == []
    assert len(server.heard) == 3
    assert not Attempt.objects.filter(status="error").exists()
