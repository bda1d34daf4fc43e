"""The cluster's heartbeat: a worker that is slow with one run costs the others nothing."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from django.db import transaction
from django.db.models import F

from jobs import conf
from jobs.api import Context
from jobs.cluster import worker
from jobs.cluster.heartbeat import Heartbeat
from jobs.cluster.worker_table import WorkerTable
from jobs.models import Run
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from tests.support.functions import Diary, at_once, go, registered, three_steps

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_run_that_somebody_is_at_keeps_no_other_from_being_renewed():
    with registered(three_steps(Diary())):
        busy, other = go(), go()
        held = {c.run_id: c.token for c in claim_due(10)}
    before = dict(Run.objects.values_list("id", "lease_until"))
    with transaction.atomic():
        Run.objects.select_for_update().get(id=busy.id)
        assert at_once(lambda: Heartbeat(WorkerTable())._extend(held)) == [{other.id}]
    assert Run.objects.get(id=other.id).lease_until > before[other.id]
    assert Run.objects.get(id=busy.id).lease_until == before[busy.id]


def test_a_lease_that_is_in_other_hands_is_not_renewed():
    with registered(three_steps(Diary())):
        go()
        (claimed,) = claim_due(10)
        Run.objects.update(lease_token="00000000-0000-7000-8000-000000000000")
        assert Heartbeat(WorkerTable())._extend({claimed.run_id: claimed.token}) == set()
        assert Run.objects.filter(lease_until__gt=F("started_at")).count() == 1


# --- claims that wait for a worker ----------------------------------------------------------------


def waiting_since(heartbeat: Heartbeat, claims: list[Claim], seconds: float) -> None:
    heartbeat.add(claims)
    for claimed in claims:
        heartbeat._claimed[claimed.run_id] = claimed.token, time.monotonic() - seconds


def test_a_run_that_somebody_is_at_keeps_no_other_from_being_given_back():
    with registered(three_steps(Diary())):
        busy, other = go(), go()
        claims = claim_due(10)
    heartbeat = Heartbeat(WorkerTable())
    waiting_since(heartbeat, claims, 60)
    with transaction.atomic():
        Run.objects.select_for_update().get(id=busy.id)
        assert at_once(heartbeat._give_back) == [None]
    statuses = dict(Run.objects.values_list("id", "status"))
    assert statuses == {busy.id: "running", other.id: "queued"}


def test_a_claim_that_has_waited_long_is_given_back_and_a_fresh_one_is_not():
    with registered(three_steps(Diary())):
        old, fresh = go(), go()
        claims = claim_due(10)
    heartbeat = Heartbeat(WorkerTable())
    waiting_since(heartbeat, [c for c in claims if c.run_id == old.id], 60)
    waiting_since(heartbeat, [c for c in claims if c.run_id == fresh.id], 0)
    heartbeat._renew()
    assert Run.objects.get(id=old.id).status == "queued"
    assert Run.objects.get(id=old.id).lease_token is None
    assert Run.objects.get(id=fresh.id).status == "running"
    assert list(heartbeat._claimed) == [fresh.id]


def test_a_run_that_a_worker_is_at_is_not_given_back_however_old_its_claim():
    with registered(three_steps(Diary())):
        go()
        claims = claim_due(1)
    worker_table = WorkerTable()
    heartbeat = Heartbeat(worker_table)
    waiting_since(heartbeat, claims, 60)
    worker_table.begin(claims[0].run_id, claims[0].token)
    heartbeat._renew()
    assert Run.objects.get().lease_token == claims[0].token


@pytest.mark.usefixtures("in_a_cluster")
def test_a_worker_leaves_what_was_given_back_alone():
    diary = Diary()
    with registered(three_steps(diary)):
        go()
        claims = claim_due(1)
        heartbeat = Heartbeat(WorkerTable())
        waiting_since(heartbeat, claims, 60)
        heartbeat._renew()
        worker._execute_claim(aged(claims[0]))
    assert diary.entries == []
    assert Run.objects.get().status == "queued"


@pytest.mark.usefixtures("in_a_cluster")
def test_a_worker_that_takes_an_old_claim_up_is_quicker_than_the_thread_that_gives_it_back():
    with registered(three_steps(Diary())):
        go()
        claims = claim_due(1)
        heartbeat = Heartbeat(WorkerTable())
        waiting_since(heartbeat, claims, 60)

        def late_heartbeat(ctx: Context) -> str:
            heartbeat._give_back()  # it has read the worker table before the worker was on it
            return "done"

    with registered(late_heartbeat):
        worker._execute_claim(aged(claims[0]))
    assert (Run.objects.get().status, Run.objects.get().output) == ("completed", "done")


def aged(claimed: Claim) -> Claim:
    clock = replace(claimed.clock, monotonic=time.monotonic() - conf.lease() / 2)
    return replace(claimed, clock=clock)
