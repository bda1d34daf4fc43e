"""An answer's run is leased for a worker of the cluster that stores it, if there is room."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.api import Concurrency, Context, cancel, pause
from jobs.cluster.dispatch import Dispatch
from jobs.cluster.heartbeat import Heartbeat
from jobs.cluster.worker_pool import ClusterWorkerPool
from jobs.cluster.worker_table import WorkerTable
from jobs.execution.executor import execute
from jobs.fetch.gateway import Gateway
from jobs.fetch.outbox import CompletedRequest, LeasedRequest, lease_requests, store_responses
from jobs.fetch.worker_pool import NoWorkerPool
from jobs.models import Run
from jobs.platform.http.exchange import RequestOutcome
from jobs.platform.ipc.pipe_queue import LossyQueue
from jobs.registry.function import Function
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import go, registered

pytestmark = pytest.mark.django_db


def asks(ctx: Context) -> Any:
    step, urls = ctx.step, ["http://songs.test/"] * ctx.event.data.get("times", 1)
    return [r.text for r in step.parallel(lambda u=u: step.fetch("call", u) for u in urls)]


@pytest.fixture(autouse=True)
def function(settings):
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": ["songs.test"]}
    with registered(asks, retries=0, concurrency=[Concurrency(limit=9)]) as function:
        yield function


def in_flight(count: int, **data: Any) -> list[LeasedRequest]:
    for _ in range(count):
        go(data)
    for claimed in claim_due(count):
        execute(claimed)
    return sorted(lease_requests(100), key=lambda leased_request: leased_request.run_id)


def answered(leased_request: LeasedRequest) -> CompletedRequest:
    answer = {"status_code": 200, "url": "http://songs.test/", "headers": {}, "body": "a waltz"}
    return leased_request, RequestOutcome(response=answer, head={"status_code": 200, "bytes": 7})


def test_it_is_leased_as_the_answer_is_written():
    (leased_request,) = in_flight(1)
    (taken,), some_are_due = store_responses([answered(leased_request)], 5, "here")
    run = Run.objects.get()
    assert (run.status, run.reason, run.due_at) == ("running", "", None)
    assert (run.lease_token, run.worker) == (taken.token, "here")
    assert (taken.run_id, taken.turns_held, taken.has_memory) == (run.id, 1, True)
    assert not some_are_due
    assert claim_due(10) == []

    assert execute(taken) is None
    run.refresh_from_db()
    assert (run.status, run.output) == ("completed", ["a waltz"])


def test_for_whom_there_is_no_room_is_due():
    leased_requests = in_flight(3)
    claims, some_are_due = store_responses(
        [answered(leased_request) for leased_request in leased_requests], 2
    )
    assert some_are_due
    due = claim_due(10)
    assert (len(claims), len(due)) == (2, 1)
    assert {c.run_id for c in claims + due} == {
        leased_request.run_id for leased_request in leased_requests
    }


def test_two_answers_for_one_run_are_one_claim():
    leased_requests = in_flight(1, times=2)
    (taken,), _ = store_responses(
        [answered(leased_request) for leased_request in leased_requests], 5
    )
    execute(taken)
    assert Run.objects.get().output == ["a waltz", "a waltz"]


def test_an_answer_that_comes_second_finds_the_run_in_hand():
    first, second = in_flight(1, times=2)
    (taken,), _ = store_responses([answered(first)], 5)
    assert store_responses([answered(second)], 5) == ([], True)
    execute(taken)
    drain()
    assert Run.objects.get().output == ["a waltz", "a waltz"]


@pytest.mark.parametrize(
    "state",
    [
        {"status": "running"},
        {"status": "queued", "due_at": timezone.now()},
        {"status": "queued", "due_at": None, "reason": "turn", "turns_held": 0},
        {"status": "waiting", "due_at": None, "turns_held": 0},
        {"fn_id": "of-another-site"},
    ],
)
def test_no_worker_is_given_a_run_that_may_not_go_on_here(state):
    (leased_request,) = in_flight(1)
    Run.objects.update(**state)
    claims, _ = store_responses([answered(leased_request)], 5)
    assert claims == []
    assert Run.objects.get().lease_token is None


def test_nor_one_that_is_cancelled_or_stands_still(function: Function):
    cancelled, still = in_flight(2)
    cancel(cancelled.run_id)
    pause(function.fn_id, stop_running=True)
    assert store_responses([answered(cancelled), answered(still)], 5) == ([], True)
    assert claim_due(10) == []
    assert Run.objects.get(id=still.run_id).reason == "paused"


def test_a_cluster_that_dies_with_it_in_hand_costs_a_lease():
    (leased_request,) = in_flight(1)
    store_responses([answered(leased_request)], 5)  # and no worker executes it
    travel(timedelta(minutes=1))
    drain()
    assert Run.objects.get().output == ["a waltz"]


# --- how it gets there ----------------------------------------------------------------------------


class Hands(NoWorkerPool):
    name, free_slots = "here", 1

    def __init__(self) -> None:
        self.given: list[Claim] = []

    def accept(self, claims: Any) -> None:
        self.given += claims


def test_the_gateway_gives_them_to_the_workers_and_rings_for_the_rest():
    leased_requests = in_flight(2)
    hands = Hands()
    gateway = Gateway(workers=hands)
    gateway._store([answered(leased_requests[0])])
    assert [(c.run_id, c.worker) for c in hands.given] == [(leased_requests[0].run_id, "here")]
    assert not gateway._runs.consume()
    hands.free_slots = 0
    gateway._store([answered(leased_requests[1])])
    assert gateway._runs.consume()


def test_what_cannot_be_given_to_them_is_handed_on_by_its_lease(caplog, monkeypatch):
    """The disk is full, say, on which a large claim travels."""

    def refuse(claims: Any) -> None:
        raise OSError("no space left")

    (leased_request,) = in_flight(1)
    hands = Hands()
    monkeypatch.setattr(hands, "accept", refuse)
    Gateway(workers=hands)._store([answered(leased_request)])
    assert "1 runs could not be given to the workers" in caplog.text
    travel(timedelta(minutes=1))
    drain()
    assert Run.objects.get().output == ["a waltz"]


@pytest.fixture
def dispatch() -> Dispatch:
    return Dispatch(WorkerTable(), LossyQueue(2), 2)


def test_a_worker_is_called_if_one_is_missing(dispatch: Dispatch):
    (leased_request,) = in_flight(1)
    worker_table = WorkerTable()
    workers = ClusterWorkerPool("here", worker_table, dispatch, Heartbeat(worker_table))
    claims, _ = store_responses([answered(leased_request)], workers.free_slots, workers.name)
    workers.accept(claims)
    assert dispatch.workers_missing.consume()
    taken: list[Claim] = []
    dispatch.work(taken.append)
    assert taken == claims


def test_what_lands_while_the_cluster_stops_is_given_back(dispatch: Dispatch):
    (leased_request,) = in_flight(1)
    worker_table = WorkerTable()
    heartbeat = Heartbeat(worker_table)
    workers = ClusterWorkerPool("here", worker_table, dispatch, heartbeat)
    claims, _ = store_responses([answered(leased_request)], workers.free_slots, workers.name)
    heartbeat._is_stopping = True
    workers.accept(claims)
    assert not dispatch.is_busy
    assert [c.run_id for c in claim_due(10)] == [leased_request.run_id]
