"""A benchmark that is killed leaves nothing running."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from melodymaker.supervisor.watchdog import left
from tests.project.test_up import answer, doorbell, is_dead, rings, start

pytestmark = pytest.mark.processes
__all__ = ["doorbell"]

BENCHMARK = """
import sys, threading
from pathlib import Path
from benchmarks.processes import Process
ended = Process([sys.executable, "-c", ""], {}, Path(sys.argv[1]))
ended.end()
Process([sys.executable, "-c", sys.argv[2]], {}, Path(sys.argv[1]))
threading.Event().wait()
"""


def test_a_killed_benchmark_leaves_no_process_of_its_groups(
    doorbell: socket.socket, tmp_path: Path
) -> None:
    _, part = rings(doorbell, child=True).arguments
    benchmark = start(BENCHMARK, str(tmp_path / "log"), part)
    lines = [answer(doorbell), answer(doorbell)]

    benchmark.kill()

    assert all(is_dead(line) for line in lines)
    benchmark.wait()


def test_the_number_of_a_process_that_has_ended_is_another_ones() -> None:
    assert left([7, 8, -7, 9]) == [8, 9]
    assert left([7, -7, 7]) == [7]
