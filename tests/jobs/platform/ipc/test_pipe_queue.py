"""What a cluster's processes share survives the death of any of them."""

from __future__ import annotations

import os
import pickle
import select
import signal
from collections.abc import Callable
from typing import Any

import pytest

from jobs.platform.ipc import pipe_queue, shared_state
from tests.support.functions import in_a_child

pytestmark = pytest.mark.processes


def child(job: Callable[[], Any]) -> int:
    pid = os.fork()
    if pid == 0:
        job()
        os._exit(0)
    return pid


def wait_until_blocked(pid: int) -> None:
    """Until the process sleeps in a system call, as a worker without a task does."""
    while True:
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "S":
                return


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_items_come_out_in_the_order_in_which_they_were_put_in():
    queue = pipe_queue.Queue()
    for item in ("a", {"b": 1}, None):
        queue.put(item)
    assert queue.qsize() == 3
    assert [queue.get() for _ in range(3)] == ["a", {"b": 1}, None]
    assert queue.empty()


def test_an_item_larger_than_a_packet_is_refused_and_leaves_nothing_in_the_pipe():
    queue = pipe_queue.Queue()
    with pytest.raises(pipe_queue.TooLarge, match="4,096"):
        queue.put("x" * 5_000)
    queue.put("small")
    assert queue.get() == "small"
    assert queue.empty()


def test_an_item_that_just_fits_comes_out_whole():
    queue = pipe_queue.Queue()
    overhead = len(pickle.dumps("x" * 4_000)) - 4_000
    item = "x" * (pipe_queue.PACKET - overhead)
    queue.put(item)
    assert queue.get() == item


def test_a_report_of_a_task_that_is_too_long_is_cut():
    results = pipe_queue.ResultQueue()
    results.put({"id": "shift", "result": "y" * 10_000})
    assert results.get() == {"id": "shift", "result": "y" * pipe_queue.MAX_RESULT}


def test_every_reader_meets_the_end_behind_what_waits():
    queue = pipe_queue.Queue()
    queue.put("last")
    queue.put(pipe_queue.END)
    assert [queue.get() for _ in range(3)] == ["last", pipe_queue.END, pipe_queue.END]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_a_reader_that_is_killed_while_it_waits_leaves_the_others_their_items():
    queue = pipe_queue.Queue()
    waiting = child(queue.get)
    wait_until_blocked(waiting)
    kill(waiting)

    queue.put("for whoever is left")
    assert queue.get() == "for whoever is left"


class Counted:
    """An exclusive poller, and how often something came while one waited at it."""

    def __init__(self, real: Any) -> None:
        self.wakes, self._real = 0, real

    def wait(self, seconds: float) -> None:
        self.wakes += self._real.wait(seconds)


@pytest.mark.skipif(not hasattr(select, "EPOLLEXCLUSIVE"), reason="needs Linux's epoll")
def test_of_the_processes_that_wait_an_item_wakes_one():
    queue, told = pipe_queue.Queue(), pipe_queue.Queue()

    def wait() -> None:
        queue._poller = counted = Counted(queue._poller)
        item = queue.get_within(2.0)
        told.put((counted.wakes, item))

    children = [child(wait) for _ in range(4)]
    for pid in children:
        wait_until_blocked(pid)
    queue.put("for one")
    for pid in children:
        os.waitpid(pid, 0)
    assert sorted((told.get() for _ in children), key=str) == [(0, None)] * 3 + [(1, "for one")]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_a_writer_that_is_killed_while_the_queue_is_full_leaves_no_torn_item():
    queue = pipe_queue.Queue(maxsize=1)
    queue.put("first")
    writing = child(lambda: queue.put("never"))
    wait_until_blocked(writing)
    kill(writing)

    assert queue.get() == "first"
    queue.put("second")
    assert queue.get() == "second"


def test_an_event_is_seen_by_another_process_that_waits_for_it():
    event = shared_state.Event()
    assert not event.is_set()
    assert not event.wait(0.0)
    assert in_a_child(event.set) == 0
    assert event.is_set()
    assert event.wait()


def test_a_value_is_one_number_in_every_process():
    value = shared_state.Value("f", -1)

    def write() -> None:
        with value.get_lock():
            value.value = 3

    assert in_a_child(write) == 0
    assert value.value == 3


def test_a_report_of_a_task_has_no_secret_however_long_it_is(settings):
    settings.MODAL_KEY = "wk-Canary-5f3e"
    results = pipe_queue.ResultQueue()
    for offset in range(480, 501):
        for size in (0, 60_000):
            results.put({"id": "shift", "result": "." * offset + "wk-Canary-5f3e" + "." * size})
            assert "wk" not in results.get()["result"]
