"""Several clusters look at the same rows at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from jobs.api import Context, TriggerCron
from jobs.maintenance import cron
from jobs.models import CronSchedule, Event, Run
from tests.support.functions import registered

pytestmark = pytest.mark.django_db(transaction=True)

CLUSTERS = 6
RARE = TriggerCron(cron="0 0 29 2 *")  # no tick of its own comes while a test runs


def nothing(ctx: Context) -> None:
    return None


def at_once(work) -> list[int]:
    """What `work` returned in each of several connections that began together."""
    start = threading.Barrier(CLUSTERS)

    def one(_: int) -> int:
        try:
            connection.ensure_connection()
            start.wait()
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(CLUSTERS) as pool:
        return list(pool.map(one, range(CLUSTERS)))


def test_a_tick_starts_one_run_however_many_clusters_look():
    with registered(nothing, trigger=RARE):
        cron.sync()
        for round_number in range(1, 11):
            CronSchedule.objects.update(next_at=Now() - timedelta(seconds=1))
            given = at_once(cron.tick)
            own = Run.objects.filter(fn_id="test-function")
            assert own.count() == round_number, given


def test_clusters_that_start_together_make_one_row():
    with registered(nothing, trigger=RARE):
        at_once(lambda: cron.sync() or 0)
        assert CronSchedule.objects.filter(fn_id="test-function").count() == 1


def test_a_tick_whose_cluster_dies_before_it_commits_is_given_by_another():
    with registered(nothing, trigger=RARE):
        cron.sync()
        CronSchedule.objects.update(next_at=Now() - timedelta(seconds=1))
        with transaction.atomic():
            cron.tick()
            transaction.set_rollback(True)
        assert not Event.objects.exists()
        cron.tick()
        assert Run.objects.filter(fn_id="test-function").count() == 1
