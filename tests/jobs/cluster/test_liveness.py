"""When due runs are not being taken, `/health/ready` and the panel say so, whatever the reason;
what keeps a cluster from it is set aside alone (pulse.py; the nets of pusher, heartbeat, gateway).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection
from django.db.models.functions import Now
from django.test import Client

from jobs.api import Concurrency, Context, standstill
from jobs.cluster import pusher as pushers
from jobs.cluster import shared, worker_table
from jobs.cluster.heartbeat import Heartbeat
from jobs.cluster.pulse import pulse_of
from jobs.cluster.worker_table import PusherStatus, WorkerTable
from jobs.fetch.gateway import Gateway
from jobs.maintenance import lost_workers, sweeper, turn_repair
from jobs.models import Cluster, Run
from jobs.platform.postgres import statements
from jobs.runs import claimed_run, claiming, unclaimable
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)
WELL = {"looked": 0.5, "claimed": 1.0, "problem": "", "at_work": 0, "workers": 2}


def a_cluster(**pulse: Any) -> Cluster:
    return Cluster.objects.create(key=str(time.monotonic()), pulse=WELL | pulse)


def a_due_run(seconds: float) -> None:
    with registered(lambda ctx: None):
        go()
    travel(timedelta(seconds=seconds))
    Cluster.objects.update(seen_at=Now())


def ready(client: Client) -> tuple[int, str]:
    answer = client.get("/health/ready")
    return answer.status_code, answer.json()["cluster"]


def raises(error: BaseException) -> Callable[..., Any]:
    def job(*_: Any, **__: Any) -> None:
        raise error

    return job


# --- what is said ---------------------------------------------------------------------------------


def test_all_is_well_while_a_cluster_looks(client: Client):
    a_cluster()
    assert (standstill(), ready(client)) == ("", (200, "ok"))


def test_a_cluster_that_does_not_look_is_told_and_why_is_told_to_operators_alone(
    client: Client, admin_client: Client
):
    a_cluster(looked=23.0, problem="DataError: value too long")
    assert standstill() == "no cluster has looked for due runs for 23 s"
    assert ready(client) == (503, "no cluster has looked for due runs for 23 s")
    for page in ("/admin/hand-over/", "/admin/jobs/run/", "/admin/songs/song/"):
        words = admin_client.get(page).content.decode()
        assert "Runs are not being taken: no cluster has looked for due runs for 23 s" in words
        assert "DataError: value too long" in words


def test_a_cluster_that_has_never_looked_is_told(client: Client):
    a_cluster(looked=None)
    assert ready(client) == (503, "no cluster has looked for due runs since its start")


def test_one_cluster_that_looks_is_enough(client: Client):
    a_cluster(looked=60.0)
    a_cluster()
    assert ready(client) == (200, "ok")


def test_a_run_that_no_cluster_takes_though_workers_are_free_is_told(client: Client):
    a_cluster(claimed=9.0)
    a_due_run(seconds=9)
    assert ready(client) == (503, "no cluster takes the runs that are due, the oldest since 9 s")


@pytest.mark.parametrize(
    "pulse", [{"claimed": 2.0}, {"at_work": 2}], ids=["others are taken", "all workers are busy"]
)
def test_a_run_that_waits_for_a_worker_is_no_standstill(client: Client, pulse):
    a_cluster(**{"claimed": 9.0} | pulse)
    a_due_run(seconds=9)
    assert ready(client) == (200, "ok")


@pytest.mark.parametrize("reason", ["function", "paused", "aside"])
def test_a_run_whose_page_says_why_it_waits_is_no_standstill(client: Client, reason):
    a_cluster(claimed=None)
    a_due_run(seconds=9)
    Run.objects.update(reason=reason)
    assert ready(client) == (200, "ok")


def test_a_cluster_of_an_older_version_says_less_and_is_believed(client: Client):
    Cluster.objects.create(key="old")
    assert ready(client) == (200, "ok")


def test_a_sentinel_tells_what_its_pusher_last_did():
    board = WorkerTable()
    now = time.monotonic()
    assert pulse_of(board, 2)["looked"] is None
    board.report_status(PusherStatus(now - 7, now - 8, "ü" * 600))
    pulse = pulse_of(board, 2)
    assert 7 <= pulse["looked"] < 8 <= pulse["claimed"] < 9
    assert pulse["problem"] == "ü" * 250  # what the memory holds, and no half of a character


# --- the pusher -----------------------------------------------------------------------------------


def last_beat() -> PusherStatus:
    return shared.of_this_cluster().worker_table.pusher_status()


@pytest.mark.parametrize(
    "error",
    [
        RecursionError("too deep"),
        DataError("value too long"),
        OperationalError("gone"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_the_look_raises_the_pusher_lets_nothing_out_and_says_it(
    pusher, monkeypatch, error
):
    with monkeypatch.context() as patch:
        patch.setattr(pushers, "claim_batch", raises(error))
        assert pusher.dequeue() is None
    beat = last_beat()
    assert (beat.looked, type(error).__name__ in beat.problem) == (0.0, True)
    pusher.dequeue()
    assert last_beat().looked > 0
    assert last_beat().problem == ""


@pytest.mark.parametrize(("where", "job"), [(sweeper, "sweep"), (turn_repair, "repair_turns")])
def test_a_sweep_that_fails_keeps_no_run_from_being_taken(pusher, monkeypatch, where, job):
    monkeypatch.setattr(where, job, raises(RecursionError("too deep")))
    with registered(lambda ctx: None):
        go()
        pusher.dequeue()
    assert the_run().status == "running"


def test_a_run_that_cannot_be_read_is_set_aside_alone(pusher, monkeypatch):
    """The first due run cannot be read, whatever it is: those behind it are taken."""
    real = claimed_run.claim_of
    with registered(lambda ctx: None):
        bad = go()
        good = go()

        def unreadable(row: tuple[Any, ...], lease: dict[str, Any]) -> Any:
            if row[0] == bad.id:
                raise RecursionError("too deep")
            return real(row, lease)

        monkeypatch.setattr(unclaimable, "claim_of", unreadable)
        pusher.dequeue()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (good.status, bad.status, bad.reason) == ("running", "queued", "aside")
    assert (bad.error["name"], bad.lease_token) == ("RecursionError", None)


def test_a_run_at_which_the_whole_statement_fails_is_found_and_set_aside(pusher, monkeypatch):
    real = statements.execute_many
    with registered(lambda ctx: None):
        bad, good = go(), go()

        def fails(*asked: Any, **how: Any) -> Any:
            due = Run.objects.due().filter(lease_token=None).order_by("due_at", "id")
            text, values = asked[0]
            if text == claiming.CLAIM_DUE and bad in due[: values["limit"]]:
                raise DataError("interval out of range")
            return real(*asked, **how)

        monkeypatch.setattr(statements, "execute_many", fails)
        for _ in range(3):
            pusher.dequeue()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (good.status, bad.status, bad.reason) == ("running", "queued", "aside")
    assert bad.error["message"] == "interval out of range"


def test_while_its_workers_have_enough_to_do_a_pusher_parks_what_stands_behind_others(pusher):
    with registered(lambda ctx: None, concurrency=[Concurrency(key="event.data.user", limit=1)]):
        for user in range(8):
            go({"user": user})
        pusher.dequeue()
        assert shared.of_this_cluster().dispatch.free_slots == 0
        first, second = go({"user": "ann"}), go({"user": "ann"})
        pusher.dequeue()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.reason, second.reason) == ("", "turn")
    assert (first.due_at is None, second.due_at) == (False, None)


def test_a_claim_that_cannot_be_packed_is_an_attempt_of_its_own_run_alone(pusher, monkeypatch):
    with registered(lambda ctx: None, retries=0):
        bad, good = go(), go()
        dispatch = shared.of_this_cluster().dispatch
        put = dispatch.put_due

        def unpackable(found: list[Any]) -> None:
            if found[0].run_id == bad.id:
                raise RecursionError("too deep")
            put(found)

        monkeypatch.setattr(dispatch, "put_due", unpackable)
        pusher.dequeue()
        assert not pusher._is_set_up  # the connection that listened is gone
        pusher.dequeue()
        assert pusher._is_set_up
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.attempts.get().error_class) == ("failed", "RecursionError")
    assert good.status == "running"


# --- the heartbeat and the gateway ----------------------------------------------------------------


def test_a_death_that_cannot_be_written_down_costs_no_other_run_its_lease(monkeypatch):
    board = WorkerTable()
    with registered(lambda ctx: None):
        go()
        (claimed,) = claim_due(1)
    board.begin(claimed.run_id, claimed.token)
    dead = WorkerTable()
    heart = Heartbeat(board)
    entries = [
        *board.entries(),
        worker_table.WorkerEntry(2**22 + 1, claimed.run_id, claimed.token, ""),
    ]
    monkeypatch.setattr(board, "entries", lambda: iter(entries))
    monkeypatch.setattr(lost_workers, "record_lost_worker", raises(RecursionError("too deep")))
    travel(timedelta(seconds=10))
    before = the_run().lease_until
    heart._tick()
    assert the_run().lease_until > before
    dead.end()


def test_the_gateway_lets_nothing_out(monkeypatch):
    gateway = Gateway()
    monkeypatch.setattr("jobs.fetch.gateway.RETRY", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(gateway, "_send_pending", raises(RecursionError("too deep")))
        gateway._next_look_at = 0.0
        gateway._round(sending=True)
    gateway._round(sending=True)
    assert not gateway._is_away


def test_a_request_that_breaks_the_gateways_code_by_whatever_is_told_to_its_run(
    monkeypatch, endpoint
):
    class Panic(BaseException):
        pass

    def handler(ctx: Context) -> str:
        return ctx.step.fetch("ask", endpoint.url).text

    monkeypatch.setattr("jobs.fetch.outbox.perform", raises(Panic("of Rust's")))
    monkeypatch.setattr("jobs.fetch.gateway.perform", raises(Panic("of Rust's")))
    with registered(handler, retries=0, concurrency=[Concurrency(limit=1)]):
        go()
        for claimed in claim_due(1):
            from jobs.execution.executor import execute

            execute(claimed)
        gateway = Gateway()
        deadline = time.monotonic() + 10
        while the_run().reason == "fetch" and time.monotonic() < deadline:
            gateway._next_look_at = 0.0
            gateway._round(sending=True)
        drain()
    assert the_run().status == "failed"
    assert "Panic" in the_run().error["message"]
    connection.close()
