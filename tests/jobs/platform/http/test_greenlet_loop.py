"""Requests share a thread: what waits steps aside, and goes on in time."""

from __future__ import annotations

import socket
import threading
import weakref
from concurrent.futures import Future

import pytest
from greenlet import getcurrent

from jobs.platform.http.greenlet_loop import READABLE, WRITABLE, GreenletLoop, wait_fd, wait_future
from tests.support.hostile_endpoint import PATIENCE

MANY = 300


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def flown(*leased_requests, fly) -> list:
    """What `fly` returns for each, in the order in which they come back."""
    back: list = []
    done = threading.Semaphore(0)

    def there_and_back(leased_request) -> None:
        try:
            back.append(fly(leased_request))
        finally:
            done.release()

    loop: GreenletLoop = GreenletLoop(there_and_back)
    for leased_request in leased_requests:
        loop.send(leased_request)
    assert all(done.acquire(timeout=PATIENCE) for _ in leased_requests)
    return back


def test_many_wait_at_once_in_one_thread():
    threads: set[int] = set()
    pairs = [socket.socketpair() for _ in range(MANY)]
    waiting: list[int] = []

    def fly(number: int) -> int:
        threads.add(threading.get_ident())
        waiting.append(number)
        if len(waiting) == MANY:  # all the others wait by now: let them go, the last one first
            for _, other in reversed(pairs):
                other.send(b"!")
        assert wait_fd(pairs[number][0].fileno(), READABLE, PATIENCE)
        return number

    back = flown(*range(MANY), fly=fly)
    for one, other in pairs:
        one.close()
        other.close()
    assert sorted(back) == list(range(MANY))
    assert len(threads) == 1


def test_patience_ends_for_those_whose_it_is(pair):
    one, other = pair

    def fly(patience: float) -> tuple[float, bool]:
        came = wait_fd(one.fileno() if patience > 1 else other.fileno(), READABLE, patience)
        if patience < 1:
            other.send(b"!")
        return patience, came

    assert flown(PATIENCE, 0.05, fly=fly) == [(0.05, False), (PATIENCE, True)]


def test_a_wait_without_end_is_one(pair):
    one, other = pair

    def fly(what: str) -> str:
        if what == "waits":
            assert wait_fd(one.fileno(), READABLE, float("inf"))
        else:
            other.send(b"!")
        return what

    assert flown("waits", "sends", fly=fly) == ["sends", "waits"]


def test_another_thread_s_result_is_waited_for_and_its_error_raised():
    good, bad, late = Future(), Future(), Future()

    def fly(future: Future) -> object:
        if future is late:
            good.set_result("good")
            bad.set_exception(KeyError("bad"))
        try:
            return wait_future(future, 0.05 if future is late else PATIENCE)
        except (KeyError, TimeoutError) as error:
            return type(error)

    assert flown(good, bad, late, fly=fly) == ["good", KeyError, TimeoutError]
    late.set_result("nobody waits for it any more")


def test_a_request_that_breaks_breaks_alone(caplog):
    def fly(what: str) -> str:
        if what == "breaks":
            raise SystemExit(what)
        return what

    assert flown("breaks", "goes on", fly=fly) == ["goes on"]
    assert "A request broke the gateway's own code" in caplog.text


class Request:
    def __init__(self) -> None:
        self.is_done = threading.Event()


def test_a_greenlet_that_is_done_takes_the_next_request_and_keeps_nothing_of_the_last():
    greenlets_seen, requests_seen = [], []

    def perform(request: Request) -> None:
        greenlets_seen.append(getcurrent())
        requests_seen.append(weakref.ref(request))
        request.is_done.set()

    loop: GreenletLoop = GreenletLoop(perform)
    for _ in range(3):
        request = Request()
        loop.send(request)
        assert request.is_done.wait(PATIENCE)

    assert len(set(greenlets_seen)) == 1
    assert [seen() for seen in requests_seen] == [None, None, request]


def test_any_other_thread_waits_as_ever(pair):
    one, other = pair
    assert not wait_fd(one.fileno(), READABLE, 0.05)
    assert wait_fd(one.fileno(), WRITABLE, PATIENCE)
    other.send(b"!")
    assert wait_fd(one.fileno(), READABLE, float("inf"))
    future: Future[int] = Future()
    future.set_result(1)
    assert wait_future(future, PATIENCE) == 1
