"""What the engine leans on in multiprocessing. A Python that changes it fails here first; with one
that forks otherwise a worker that is stuck is ended all the same."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.context import ForkProcess

import pytest
from django.core.checks import run_checks

from jobs.platform.ipc import process_tree

pytestmark = pytest.mark.processes


def deaf_to_sigterm(ready: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(ready, b"!")
    time.sleep(60)


@pytest.fixture
def deaf() -> Iterator[process_tree.Process]:
    """A process that no SIGTERM ends."""
    reader, writer = os.pipe()
    process = process_tree.context().Process(target=deaf_to_sigterm, args=(writer,))
    process.start()
    os.read(reader, 1)
    yield process
    process.kill()
    process.join()
    os.close(reader), os.close(writer)
    gc.unfreeze()


def warnings() -> list[str]:
    return [message.msg for message in run_checks() if message.id == "jobs.W024"]


def test_multiprocessing_forks_by_the_engines_way(deaf):
    assert process_tree.TESTED.untested() == ""
    assert deaf.pid in process_tree._Popen.living
    assert gc.get_freeze_count() > 0
    assert warnings() == []


def test_to_terminate_is_to_kill(deaf):
    deaf.terminate()
    deaf.join()
    assert deaf.exitcode == -signal.SIGKILL


def test_multiprocessings_own_exit_kills_too(deaf):
    """It ends daemons past their `terminate`."""
    deaf._popen.terminate()
    deaf.join()
    assert deaf.exitcode == -signal.SIGKILL


@pytest.fixture
def forks_otherwise(monkeypatch) -> None:
    monkeypatch.setattr(process_tree.Process, "_Popen", staticmethod(ForkProcess._Popen))


def test_with_a_python_that_forks_otherwise_to_terminate_is_to_kill(forks_otherwise, deaf, caplog):
    (told,) = caplog.get_records("setup")
    assert "forks in a way that the engine does not know" in told.getMessage()
    deaf.terminate()
    deaf.join()
    assert deaf.exitcode == -signal.SIGKILL


def test_the_check_says_that_a_python_forks_otherwise(monkeypatch):
    monkeypatch.delattr(ForkProcess, "_Popen")
    (said,) = warnings()
    assert "forks in a way that the engine does not know" in said
