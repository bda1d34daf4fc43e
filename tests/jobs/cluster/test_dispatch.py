"""Claims find their workers, whoever comes, goes or dies meanwhile."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
import uuid
from typing import Any

import pytest
from django.utils import timezone
from django_q.conf import Conf

from jobs.api import Event, send
from jobs.cluster.dispatch import PREFETCH_PER_WORKER, Dispatch
from jobs.cluster.worker_table import WorkerTable
from jobs.platform.ipc import pipe_queue, shared_state
from jobs.platform.postgres.clock import Clock
from jobs.runs.claimed_run import Claim, LargeClaim
from jobs.runs.claiming import claim_due
from tests.support.functions import registered

pytestmark = pytest.mark.processes

WORKERS = 2


def a_claim(name: str) -> Claim:
    return Claim(
        run_id=uuid.uuid4(),
        fn_id=name,
        token=uuid.uuid4(),
        event_id=uuid.uuid4(),
        event_facts=("test/go", "", 0),
        event_data="{}",
        turn_keys=[],
        turns_held=0,
        attempt=0,
        steps_done=0,
        has_memory=False,
        lost_count=0,
        invoked_by=None,
        function_errors=0,
        clock=Clock(timezone.now()),
    )


@pytest.fixture
def worker_table() -> WorkerTable:
    return WorkerTable()


@pytest.fixture
def shifts() -> pipe_queue.LossyQueue:
    return pipe_queue.LossyQueue(WORKERS)


@pytest.fixture
def dispatch(
    worker_table: WorkerTable, shifts: pipe_queue.LossyQueue, monkeypatch: Any
) -> Dispatch:
    monkeypatch.setattr("jobs.cluster.dispatch.MAX_SHIFT", 0.5)
    return Dispatch(worker_table, shifts, WORKERS)


def test_one_shift_takes_claim_after_claim(dispatch: Dispatch):
    dispatch.put_due([a_claim("a"), a_claim("b"), a_claim("c")])
    done: list[str] = []
    dispatch.work(lambda claim: done.append(claim.fn_id))
    assert done == ["a", "b", "c"]


def test_a_worker_with_nothing_to_do_stays_on_shift_until_the_cluster_stops(
    dispatch: Dispatch, worker_table: WorkerTable, monkeypatch: Any
):
    monkeypatch.setattr("jobs.cluster.dispatch.MAX_SHIFT", float("inf"))
    done: list[str] = []

    def come_later() -> None:
        while not worker_table.on_shift():
            time.sleep(0.001)
        dispatch.put_due([a_claim("first")])
        while not done:
            time.sleep(0.001)
        dispatch.put_due([a_claim("next")])
        while len(done) < 2:
            time.sleep(0.001)
        worker_table.stop()

    pusher = threading.Thread(target=come_later)
    pusher.start()
    dispatch.work(lambda claim: done.append(claim.fn_id))
    pusher.join()
    assert done == ["first", "next"]


def test_a_worker_is_called_for_each_claim_as_far_as_there_are_workers(
    dispatch: Dispatch, worker_table: WorkerTable, shifts: pipe_queue.LossyQueue
):
    assert dispatch.missing_shifts == 0
    dispatch.put_due([a_claim("a")])
    assert dispatch.missing_shifts == 1
    dispatch.put_due([a_claim("b"), a_claim("c")])
    assert dispatch.missing_shifts == WORKERS
    shifts.put("shift")  # on its way
    assert dispatch.missing_shifts == WORKERS - 1
    worker_table.begin_shift()  # there
    assert dispatch.missing_shifts == 0
    worker_table.end_shift()
    assert dispatch.missing_shifts == 1


def test_a_worker_that_died_on_its_shift_is_called_no_longer_once_it_is_forgotten(
    dispatch: Dispatch, worker_table: WorkerTable
):
    pid = os.fork()
    if not pid:
        worker_table.begin_shift()
        os._exit(0)
    os.waitpid(pid, 0)
    dispatch.put_due([a_claim("a"), a_claim("b")])
    assert dispatch.missing_shifts == WORKERS - 1
    worker_table.forget(pid)
    assert dispatch.missing_shifts == WORKERS


def test_a_claim_that_comes_while_the_worker_leaves_is_taken(
    dispatch: Dispatch, worker_table: WorkerTable
):
    """The pusher put it in and still saw the worker on shift, so it called nobody."""
    done: list[str] = []
    end_shift = worker_table.end_shift

    def late() -> None:
        dispatch.put_due([a_claim("late")])
        end_shift()

    worker_table.end_shift = late  # type: ignore[method-assign]
    dispatch.work(lambda claim: done.append(claim.fn_id))
    assert done == ["late"]


def test_claims_are_fetched_ahead_but_not_far(dispatch: Dispatch):
    assert dispatch.free_slots == PREFETCH_PER_WORKER * WORKERS
    assert not dispatch.is_busy
    dispatch.put_due([a_claim("x") for _ in range(WORKERS)])
    assert dispatch.free_slots == (PREFETCH_PER_WORKER - 1) * WORKERS
    assert dispatch.is_busy
    dispatch.put_due([a_claim("x")])
    assert dispatch.free_slots == 0


def test_neither_answers_nor_what_is_due_take_the_others_room(dispatch: Dispatch):
    """The pusher and the gateway never wait for room: each has a pipe of its own."""
    assert [dispatch.free_slots, dispatch.free_answer_slots] == [
        PREFETCH_PER_WORKER * WORKERS,
        2 * PREFETCH_PER_WORKER * WORKERS,
    ]
    dispatch.put_answered([a_claim("x") for _ in range(dispatch.free_answer_slots)])
    assert [dispatch.free_slots, dispatch.free_answer_slots] == [PREFETCH_PER_WORKER * WORKERS, 0]
    dispatch.put_due([a_claim("x") for _ in range(dispatch.free_slots)])
    assert [dispatch.free_slots, dispatch.free_answer_slots] == [0, 0]


def test_as_many_answers_may_wait_as_quick_workers_take_in_a_moment(
    dispatch: Dispatch, monkeypatch: Any
):
    monkeypatch.setattr("jobs.cluster.claim_queues.MEASURED_SECONDS", 0.0)
    at_first = 2 * PREFETCH_PER_WORKER * WORKERS
    dispatch.put_answered([a_claim("x") for _ in range(at_first)])
    assert dispatch.free_answer_slots == 0  # none has been taken yet
    dispatch.work(lambda _: None)
    some = dispatch.free_answer_slots
    assert some > at_first
    dispatch.put_answered([a_claim("x") for _ in range(some)])
    assert dispatch.free_answer_slots == 0


class Watch:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def take(dispatch: Dispatch, count: int) -> None:
    for _ in range(count):
        assert dispatch._queues.get_within(0) is not None


def test_how_long_the_waiting_answers_take_is_told_by_the_workers_speed_since_none_waited(
    dispatch: Dispatch, monkeypatch: Any
):
    watch = Watch()
    monkeypatch.setattr("jobs.cluster.claim_queues.time", watch)
    dispatch.put_answered([a_claim("x") for _ in range(12)])
    assert dispatch.backlog_seconds == 0.0  # none has been taken
    watch.now += 0.4
    take(dispatch, 4)  # ten a second
    assert dispatch.backlog_seconds == pytest.approx(0.8)
    take(dispatch, 8)
    assert dispatch.backlog_seconds == 0.0

    watch.now += 3600.0  # an hour in which nothing was to do is no slow hour
    dispatch.put_answered([a_claim("x") for _ in range(6)])
    watch.now += 0.01
    take(dispatch, 2)
    assert dispatch.backlog_seconds == pytest.approx(0.02)


def test_an_hour_of_slow_work_is_forgotten_when_the_work_is_quick(
    dispatch: Dispatch, monkeypatch: Any
):
    watch = Watch()
    monkeypatch.setattr("jobs.cluster.claim_queues.time", watch)
    dispatch.put_answered([a_claim("x") for _ in range(6)])
    watch.now += 3600.0
    take(dispatch, 1)
    dispatch.put_answered([a_claim("x")])
    watch.now += 0.01
    take(dispatch, 2)
    assert dispatch.backlog_seconds == pytest.approx(0.02)


def test_answers_and_what_is_due_take_turns_at_a_worker(dispatch: Dispatch):
    dispatch.put_answered([a_claim(f"answer {n}") for n in range(4)])
    dispatch.put_due([a_claim(f"due {n}") for n in range(2)])
    done: list[str] = []
    dispatch.work(lambda claim: done.append(claim.fn_id))
    assert done == ["due 0", "answer 0", "due 1", "answer 1", "answer 2", "answer 3"]


def test_of_a_pipe_smaller_than_wanted_no_more_is_used_than_it_holds(
    worker_table: WorkerTable, shifts: pipe_queue.LossyQueue, monkeypatch: Any
):
    """An ordinary user's pipes end at 1 MiB."""
    allowed = fcntl.fcntl

    def refuses(pipe: int, command: int, size: int = 0) -> int:
        if size > 2**20:
            raise PermissionError
        return allowed(pipe, command, size)

    monkeypatch.setattr(fcntl, "fcntl", refuses)
    crowd = Dispatch(worker_table, shifts, 200)
    assert 100 < crowd.free_slots < crowd.free_answer_slots <= 256
    crowd.put_due([a_claim("x") for _ in range(crowd.free_slots)])
    crowd.put_answered([a_claim("x") for _ in range(crowd.free_answer_slots)])
    assert [crowd.free_slots, crowd.free_answer_slots] == [0, 0]


def test_a_worker_that_finds_few_claims_rings(dispatch: Dispatch):
    dispatch.put_due([a_claim("x") for _ in range(PREFETCH_PER_WORKER * WORKERS)])
    rung: list[bool] = []

    def look(claim: Claim) -> None:
        rung.append(shared_state.waiting_bytes(dispatch.claims_low.reader) > 0)
        dispatch.claims_low.consume()

    dispatch.work(look)
    enough = PREFETCH_PER_WORKER * WORKERS - 1 - WORKERS
    assert rung == [False] * enough + [True] * (len(rung) - enough)
    assert rung[-1]


def test_each_run_has_djangos_q_timeout_to_itself(dispatch: Dispatch, monkeypatch: Any):
    monkeypatch.setattr(Conf, "TIMEOUT", 100)
    dispatch.put_due([a_claim("a"), a_claim("b")])
    left: list[int] = []

    def advance(claim: Claim) -> None:
        left.append(signal.alarm(7))  # what was left of the alarm; the next run's is new

    dispatch.work(advance)
    assert left == [100, 100]
    assert signal.alarm(0) == 0


def test_a_shift_in_which_nothing_comes_does_not_time_out(dispatch: Dispatch, monkeypatch: Any):
    monkeypatch.setattr(Conf, "TIMEOUT", 1)
    signal.alarm(1000)  # as django-q2 sets it before each of its tasks
    dispatch.work(lambda _: None)
    assert signal.alarm(0) == 0


def test_a_shift_too_many_is_dropped(shifts: pipe_queue.LossyQueue):
    for _ in range(10_000):
        shifts.put("shift")
    assert WORKERS <= shifts.qsize() < 10_000


def test_a_worker_goes_on_with_what_its_run_leaves_it_while_no_other_run_waits(
    dispatch: Dispatch, worker_table: WorkerTable
):
    left = [a_claim("second"), a_claim("third")]
    done: list[tuple[str, bool]] = []

    def advance(claim: Claim) -> Claim | None:
        done.append((claim.fn_id, worker_table.may_take_next))
        return left.pop(0) if left else None

    dispatch.put_due([a_claim("first")])
    dispatch.work(advance)
    assert done == [("first", True), ("second", True), ("third", True)]
    assert not worker_table.may_take_next


def test_while_others_wait_it_goes_on_once(dispatch: Dispatch, worker_table: WorkerTable):
    done: list[tuple[str, bool]] = []

    def advance(claim: Claim) -> Claim | None:
        done.append((claim.fn_id, worker_table.may_take_next))
        return a_claim("second") if claim.fn_id == "first" else None

    dispatch.put_due([a_claim("first"), a_claim("other")])
    dispatch.work(advance)
    assert done == [("first", True), ("second", False), ("other", True)]


@pytest.mark.parametrize("others", ["put_due", "put_answered"])
def test_a_line_gives_way_to_other_claims_of_either_kind(
    dispatch: Dispatch, worker_table: WorkerTable, others: str
):
    done: list[tuple[str, bool]] = []

    def advance(claim: Claim) -> Claim | None:
        done.append((claim.fn_id, worker_table.may_take_next))
        return a_claim("its next") if claim.fn_id == "first" else None

    dispatch.put_due([a_claim("first")])
    getattr(dispatch, others)([a_claim("other")])
    dispatch.work(advance)
    assert done == [("first", True), ("its next", False), ("other", True)]


def test_a_worker_that_leaves_its_shift_while_claims_wait_calls_the_pusher(
    dispatch: Dispatch, monkeypatch: Any
):
    dispatch.put_due([a_claim("only one")])
    dispatch.work(lambda _: None)
    assert not dispatch.workers_missing.consume()

    monkeypatch.setattr("jobs.cluster.dispatch.MAX_SHIFT", 0.0)
    dispatch.put_due([a_claim(name) for name in "abc"])
    called: list[bool] = []
    dispatch.work(lambda _: called.append(dispatch.workers_missing.consume()))
    assert called == [True]  # before it went to work again
    assert dispatch.missing_shifts == 2


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_no_packet_holds_is_read_by_its_worker(dispatch: Dispatch):
    with registered(lambda ctx: None):
        send(Event(name="test/go", data={"words": "x" * 100_000}))
        send(Event(name="test/go", data={"words": "few"}))
        claims = claim_due(2)
    dispatch.put_due(claims)
    taken: list[Claim | LargeClaim] = []
    dispatch.work(taken.append)
    large, small = taken
    assert isinstance(large, LargeClaim)
    read = large.read()
    assert read is not None
    assert (read.event["data"], read.token) == ({"words": "x" * 100_000}, large.token)
    assert small == claims[1]


@pytest.mark.django_db(transaction=True)
def test_a_large_claim_whose_lease_is_lost_is_none(dispatch: Dispatch):
    with registered(lambda ctx: None):
        send(Event(name="test/go"))
        (claimed,) = claim_due(1)
    assert LargeClaim(claimed.run_id, uuid.uuid4(), "").read() is None
