"""A database that is away for longer than a lease while requests are in flight: each of them is
answered, none is sent a second time."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from jobs.execution.executor import execute
from jobs.fetch.gateway import Gateway
from jobs.models import Fetch, Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from melodymaker import embedded
from melodymaker.embedded.place import Place
from melodymaker.embedded.programs import Programs
from tests.chaos.clusters import Cluster, wait_until
from tests.chaos.database import OwnDatabase
from tests.support.functions import go, registered
from tests.support.hostile_endpoint import Adversary, Peer, allow, answer

pytestmark = pytest.mark.cluster

REQUESTS = 100
PATIENCE = 60.0  # seconds; only a test that fails waits for so long
TWO_LEASES = 2.0


class Database(OwnDatabase):
    """One that can go away and come back."""

    def go_away(self) -> None:
        """Without a word: every connection breaks."""
        self.ask("CHECKPOINT")  # its last moment may be forgotten, and is not what is tried here
        data = f"--pgdata={Place(self._base).data}"
        ended = Programs.find().run("pg_ctl", "stop", data, "--mode=immediate", "--wait")
        assert ended.returncode == 0, ended.stderr

    def come_back(self) -> None:
        embedded.start(self._base)

    def ask(self, question: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as asking:
            cursor = asking.execute(question)
            return cursor.fetchall() if cursor.description else None


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database()
    yield database
    database.close()


class Slow:
    """Answers every second request when `early` is set, the others when `late` is."""

    def __init__(self) -> None:
        self.early, self.late = threading.Event(), threading.Event()
        self.answered = 0
        self._lock = threading.Lock()
        self._asked = itertools.count()
        self.server = Adversary(self._answer, backlog=REQUESTS)

    def _answer(self, peer: Peer) -> bool | None:
        (self.late if next(self._asked) % 2 else self.early).wait(PATIENCE)
        kept = answer(b"song")(peer)
        with self._lock:
            self.answered += 1
        return kept


def test_a_database_that_was_away_finds_every_request_answered_and_none_repeated(
    database: Database, tmp_path: Path
) -> None:
    slow = Slow()
    with slow.server as server:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **{"DATABASE_URL": database.url, "DEBUG": "1", "CLUSTER_WORKERS": "2"},
            "DJANGO_SETTINGS_MODULE": "tests.outage.settings",
            "OUTAGE_HOST": server.netloc,
        }
        ask = [sys.executable, "-m", "tests.outage.ask", str(REQUESTS)]
        subprocess.run(ask, cwd=settings.BASE_DIR, env=environment, check=True)
        cluster = Cluster(1, environment, tmp_path)
        try:
            wait_until(lambda: len(server.heard) >= REQUESTS, cluster)
            database.go_away()
            slow.early.set()
            wait_until(lambda: slow.answered >= REQUESTS // 2, cluster)
            time.sleep(TWO_LEASES)  # the outage
            database.come_back()
            slow.late.set()
            wait_until(lambda: statuses(database) == {"completed": REQUESTS}, cluster)
        finally:
            cluster.kill_for_good()
    asked = Counter(heard.headers["idempotency-key"] for heard in server.heard)
    assert (len(asked), set(asked.values())) == (REQUESTS, {1})


def statuses(database: Database) -> dict[str, int]:
    return dict(database.ask("SELECT status, count(*) FROM jobs_run GROUP BY status"))


@pytest.mark.django_db(transaction=True)
def test_a_taking_that_the_database_has_lost_sends_nothing_again(settings):
    """The request on its way answers for the one that is leased again."""
    may_answer = threading.Event()

    def late(peer: Peer) -> bool | None:
        may_answer.wait(PATIENCE)
        return answer(b"song")(peer)

    with Adversary(late) as server, registered(lambda ctx: ctx.step.fetch("call", server.url).text):
        allow(settings, server)
        go()
        execute_all()
        gateway = Gateway()
        gateway._round(sending=True)
        Fetch.objects.update(status="pending", lease_token=None, lease_until=None, sent_at=None)
        gateway.wake()
        while Fetch.objects.get().status == "pending":
            gateway._round(sending=True)
        may_answer.set()
        while Fetch.objects.get().status == "sending":
            gateway._round(sending=True)
        drain()
        assert len(server.heard) == 1
    assert Run.objects.get().output == "song"
    assert gateway._in_flight == {}
    assert not gateway._hosts


def execute_all() -> None:
    for claimed in claim_due(10):
        execute(claimed)
