"""An answer's run is leased for a worker of the cluster in which it lands, if there is room."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.api import Concurrency, Context, cancel, pause
from jobs.cluster.dispatch import Dispatch
from jobs.cluster.heartbeat import Keeper
from jobs.cluster.worker_table import Board
from jobs.cluster.workers import Workers
from jobs.execution.executor import execute
from jobs.fetch.gateway import Gateway
from jobs.fetch.outbox import Flight, Landed, land, take
from jobs.fetch.workers import NoWorkers
from jobs.models import Run
from jobs.platform.http.exchange import Outcome
from jobs.platform.ipc.pipe_queue import Hints
from jobs.registry.function import Function
from jobs.runs.claim import Claim
from jobs.runs.queue import claim
from jobs.testing import drain, travel
from tests.functions import go, registered

pytestmark = pytest.mark.django_db


def asks(ctx: Context) -> Any:
    step, urls = ctx.step, ["http://songs.test/"] * ctx.event.data.get("times", 1)
    return [r.text for r in step.parallel(lambda u=u: step.fetch("call", u) for u in urls)]


@pytest.fixture(autouse=True)
def function(settings):
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": ["songs.test"]}
    with registered(asks, retries=0, concurrency=[Concurrency(limit=9)]) as function:
        yield function


def in_the_air(count: int, **data: Any) -> list[Flight]:
    for _ in range(count):
        go(data)
    for claimed in claim(count):
        execute(claimed)
    return sorted(take(100), key=lambda flight: flight.run_id)


def answered(flight: Flight) -> Landed:
    answer = {"status_code": 200, "url": "http://songs.test/", "headers": {}, "body": "a waltz"}
    return flight, Outcome(answer=answer, summary={"status_code": 200, "bytes": 7})


def test_it_is_leased_as_the_answer_is_written():
    (flight,) = in_the_air(1)
    (taken,), some_are_due = land([answered(flight)], 5, "here")
    run = Run.objects.get()
    assert (run.status, run.reason, run.due_at) == ("running", "", None)
    assert (run.lease_token, run.worker) == (taken.token, "here")
    assert (taken.run_id, taken.turns_held, taken.has_memory) == (run.id, 1, True)
    assert not some_are_due
    assert claim(10) == []

    assert execute(taken) is None
    run.refresh_from_db()
    assert (run.status, run.output) == ("completed", ["a waltz"])


def test_for_whom_there_is_no_room_is_due():
    flights = in_the_air(3)
    claims, some_are_due = land([answered(flight) for flight in flights], 2)
    assert some_are_due
    due = claim(10)
    assert (len(claims), len(due)) == (2, 1)
    assert {c.run_id for c in claims + due} == {flight.run_id for flight in flights}


def test_two_answers_for_one_run_are_one_claim():
    flights = in_the_air(1, times=2)
    (taken,), _ = land([answered(flight) for flight in flights], 5)
    execute(taken)
    assert Run.objects.get().output == ["a waltz", "a waltz"]


def test_an_answer_that_comes_second_finds_the_run_in_hand():
    first, second = in_the_air(1, times=2)
    (taken,), _ = land([answered(first)], 5)
    assert land([answered(second)], 5) == ([], True)
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
def test_nobody_is_given_a_run_that_may_not_go_on_here(state):
    (flight,) = in_the_air(1)
    Run.objects.update(**state)
    claims, _ = land([answered(flight)], 5)
    assert claims == []
    assert Run.objects.get().lease_token is None


def test_nor_one_that_is_cancelled_or_stands_still(function: Function):
    cancelled, still = in_the_air(2)
    cancel(cancelled.run_id)
    pause(function.fn_id, stop_running=True)
    assert land([answered(cancelled), answered(still)], 5) == ([], True)
    assert claim(10) == []
    assert Run.objects.get(id=still.run_id).reason == "paused"


def test_a_cluster_that_dies_with_it_in_hand_costs_a_lease():
    (flight,) = in_the_air(1)
    land([answered(flight)], 5)  # and nobody executes it
    travel(timedelta(minutes=1))
    drain()
    assert Run.objects.get().output == ["a waltz"]


# --- how it gets there ----------------------------------------------------------------------------


class Hands(NoWorkers):
    name, room = "here", 1

    def __init__(self) -> None:
        self.given: list[Claim] = []

    def take(self, claims: Any) -> None:
        self.given += claims


def test_the_gateway_gives_them_to_the_workers_and_rings_for_the_rest():
    flights = in_the_air(2)
    hands = Hands()
    gateway = Gateway(workers=hands)
    gateway._land([answered(flights[0])])
    assert [(c.run_id, c.worker) for c in hands.given] == [(flights[0].run_id, "here")]
    assert not gateway._runs.silence()
    hands.room = 0
    gateway._land([answered(flights[1])])
    assert gateway._runs.silence()


def test_what_cannot_be_given_to_them_is_handed_on_by_its_lease(caplog, monkeypatch):
    """The disk is full, say, on which a large claim travels."""

    def refuse(claims: Any) -> None:
        raise OSError("no space left")

    (flight,) = in_the_air(1)
    hands = Hands()
    monkeypatch.setattr(hands, "take", refuse)
    Gateway(workers=hands)._land([answered(flight)])
    assert "1 runs could not be given to the workers" in caplog.text
    travel(timedelta(minutes=1))
    drain()
    assert Run.objects.get().output == ["a waltz"]


@pytest.fixture
def dispatch() -> Dispatch:
    return Dispatch(Board(), Hints(2), 2)


def test_a_worker_is_called_if_one_is_missing(dispatch: Dispatch):
    (flight,) = in_the_air(1)
    workers = Workers("here", dispatch, Keeper(Board()))
    claims, _ = land([answered(flight)], workers.room, workers.name)
    workers.take(claims)
    assert dispatch.call.silence()
    taken: list[Claim] = []
    dispatch.work(taken.append)
    assert taken == claims


def test_what_lands_while_the_cluster_stops_is_given_back(dispatch: Dispatch):
    (flight,) = in_the_air(1)
    keeper = Keeper(Board())
    workers = Workers("here", dispatch, keeper)
    claims, _ = land([answered(flight)], workers.room, workers.name)
    keeper._is_stopping = True
    workers.take(claims)
    assert not dispatch.is_busy
    assert [c.run_id for c in claim(10)] == [flight.run_id]
