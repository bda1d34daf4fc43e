"""Rows that several transactions lock at the same moment are locked in one order."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from jobs.api import Context, Event, cancel, deal_with, pause, send
from jobs.control.lookup import lock_run
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.fetch.lease import requeue_lapsed
from jobs.models import Fetch, Run
from jobs.runs import hook_events, lease
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from tests.support.blocking import Uncommitted, others, wait_until_blocked
from tests.support.functions import go, registered, the_run
from tests.support.rows import failed_run, make_function, make_run, now

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 30.0  # seconds


def waits(ctx: Context) -> str:
    return ctx.step.wait_for_event("wait", event="shop/opened", timeout=3600).name


@pytest.mark.parametrize("moved", [0, 1])
def test_runs_that_one_event_wakes_are_locked_newest_first(moved: int):
    """Wherever they lie in their table: a row that is written moves behind the others."""
    with registered(waits):
        send([Event(name="test/go") for _ in range(2)])
        drain()
        runs = list(Run.objects.filter(fn_id="test-function").order_by("id"))
        Run.objects.filter(id=runs[moved].id).update(worker="moved")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_run")  # else it is read by its index
        with others() as start:
            with transaction.atomic():
                lock_run(runs[1].id)
                sent = start(lambda: send(Event(name="shop/opened")))
                wait_until_blocked(1)
                lock_run(runs[0].id)
            sent.result(PATIENCE)
        drain()
    assert {run.status for run in Run.objects.filter(fn_id="test-function")} == {"completed"}


def asked_late(endpoint) -> gateway.LeasedRequest:
    """A request whose gateway stood still until its lease lapsed, and then has its answer."""
    go()
    execute(*claim_due(1))
    (request,) = gateway.lease_requests(1)
    Fetch.objects.update(lease_until=F("sent_at"))  # travel() would move sent_at, too
    assert requeue_lapsed() == 1
    return request


def test_a_run_is_cancelled_while_a_late_answer_is_stored(endpoint):
    with registered(lambda ctx: ctx.step.fetch("call", endpoint.url).status_code):
        request = asked_late(endpoint)
        outcome = gateway.perform_now(request)
        with others() as start:
            with transaction.atomic():
                lock_run(the_run().id)
                stored = start(lambda: gateway.store_responses([(request, outcome)]))
                wait_until_blocked(1)  # with the request, over its run
                assert cancel(the_run().id)
            stored.result(PATIENCE)
    assert the_run().status == "cancelled"
    assert Fetch.objects.get().status == "answered"


def test_a_request_that_lapses_while_its_run_is_cancelled_is_not_sent_again(endpoint):
    with registered(lambda ctx: ctx.step.fetch("call", endpoint.url).status_code):
        run = go()
        execute(*claim_due(1))
        gateway.lease_requests(1)
        Fetch.objects.update(lease_until=F("sent_at"))
        with Uncommitted(lambda: cancel(run.id)):
            assert requeue_lapsed() == 0
        assert requeue_lapsed() == 1
    assert gateway.lease_requests(1) == []
    assert Fetch.objects.get().status == "failed"


def test_a_request_that_a_gateway_looks_at_while_its_run_is_cancelled_is_not_sent(settings):
    """It locks one of each host, and has room for one."""
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": ["a.test", "b.test"]}
    with registered(lambda ctx: ctx.step.fetch("call", ctx.event.data["url"]).status_code):
        for host in ("a", "b"):
            go({"url": f"http://{host}.test/"})
            execute(*claim_due(1))
        leased: list[Any] = []
        with Uncommitted(lambda: leased.extend(gateway.lease_requests(1))):
            other = Fetch.objects.exclude(id=leased[0].id).get()
            assert cancel(other.run_id)
    assert gateway.lease_requests(1) == []
    other.refresh_from_db()
    assert (other.status, other.error["message"]) == ("failed", "cancelled")


def stops(older: Run, newer: Run) -> None:
    pause(older.fn_id, stop_running=True, reason="It is ill.")


def goes_on(older: Run, newer: Run) -> None:
    pause(older.fn_id)


def gives_back(older: Run, newer: Run) -> None:
    held = {run.id: run.lease_token for run in (older, newer)}
    assert lease.give_back_all(held) == 2


@pytest.mark.parametrize("act", [stops, goes_on, gives_back])
@pytest.mark.parametrize("moved", [0, 1])
def test_running_runs_are_locked_newest_first(act: Callable[[Run, Run], None], moved: int):
    """As an invoked run that ends is locked before its invoker."""
    with registered(lambda ctx: None):
        make_function("test-function")
        runs = [
            make_run(fn_id="test-function", **running(), stop_requested=act is goes_on)
            for _ in range(2)
        ]
        Run.objects.filter(id=runs[moved].id).update(stop_requested=act is goes_on)
        older, newer = sorted(runs, key=lambda run: run.id)
        while_they_are_locked_in_this_order(newer, older, act)


@pytest.mark.parametrize("moved", [0, 1])
def test_runs_that_never_started_are_locked_newest_first(moved: int):
    """As a tree is locked that is cancelled in one transaction."""
    with registered(lambda ctx: None):
        make_function("test-function")
        due = {"fn_id": "test-function", "expires_at": now()}
        runs = [make_run(**due) for _ in range(2)]
        Run.objects.filter(id=runs[moved].id).update(worker="moved")
        older, newer = sorted(runs, key=lambda run: run.id)
        while_they_are_locked_in_this_order(newer, older, stops)
        Run.objects.filter(id=runs[moved].id).update(worker="moved again")
        while_they_are_locked_in_this_order(newer, older, goes_on)


def while_they_are_locked_in_this_order(
    newer: Run, older: Run, act: Callable[[Run, Run], None]
) -> None:
    """Whatever locks the older one first deadlocks here."""
    with others() as start:
        with transaction.atomic():
            lock_run(newer.id)
            acted = start(lambda: act(older, newer))
            wait_until_blocked(1)
            lock_run(older.id)
        acted.result(PATIENCE)


def running() -> dict[str, Any]:
    return {"status": "running", "lease_token": uuid.uuid4(), "lease_until": now(), "due_at": None}


def deals_with(older: Run, newer: Run) -> None:
    assert deal_with("Known.", run_ids=[older.id, newer.id]).done == 2


def asks_whether_outdated(older: Run, newer: Run) -> None:
    with transaction.atomic():
        hook_events.is_outdated(hook_events.FAILED, {"run_id": str(older.id), "epoch": 0})


@pytest.mark.parametrize("act", [deals_with, asks_whether_outdated])
def test_failed_runs_are_locked_newest_first(act: Callable[[Run, Run], None]):
    """As a retry locks the invoked runs that it takes along before their invoker."""
    older = failed_run()
    newer = failed_run(rerun_of=older)
    while_they_are_locked_in_this_order(newer, older, act)
