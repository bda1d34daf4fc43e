"""A run that is under way while its cluster is replaced goes on, and does nothing twice."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as project

from jobs.api import Event, TriggerEvent, send
from jobs.models import Attempt
from melodymaker.supervisor import PARTS, Children
from tests.support.database import cluster_environment
from tests.support.functions import registered, the_run

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]
PATIENCE = 60.0  # seconds; only a test that fails waits for so long


@pytest.fixture
def children() -> Iterator[Children]:
    """The supervisor's real cluster, on this test's database."""
    out = io.StringIO()
    children = Children(project.BASE_DIR, out, with_database=False)
    environment = cluster_environment("tests.reloaded.settings", workers=2)
    children.start([part for part in PARTS if part.name == "cluster"], environment)
    yield children
    children.stop()


def wait_until(is_so: Callable[[], bool], children: Children) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        children.check()
        assert time.monotonic() < deadline, children.out.getvalue()  # type: ignore[attr-defined]
        time.sleep(0.05)


def start(folder: Path) -> None:
    with registered(print, fn_id="under-way", trigger=TriggerEvent(event="test/under-way")):
        send(Event(name="test/under-way", data={"folder": str(folder)}))


def done(folder: Path) -> list[tuple[str, int]]:
    """Each step that was executed, and its cluster."""
    lines = [line.split() for line in (folder / "diary").read_text().splitlines()]
    return [(name, int(group)) for name, group in lines]


def test_a_run_in_flight_goes_on_and_does_nothing_twice(children, tmp_path):
    start(tmp_path)
    wait_until((tmp_path / "diary").exists, children)
    (old,) = children.running
    children.replace("cluster")
    (new,) = children.running

    (tmp_path / "go on").touch()
    wait_until(lambda: the_run("under-way").ended_at is not None, children)
    wait_until(lambda: not children.retiring, children)
    assert old.popen.returncode == 0
    (first, second) = done(tmp_path)
    assert first == ("first", old.popen.pid)
    assert second in [("second", old.popen.pid), ("second", new.popen.pid)]
    run = the_run("under-way")
    assert (run.status, run.lost_count) == ("completed", 0)
    assert not Attempt.objects.filter(status="error").exists()

    start(tmp_path)
    wait_until(lambda: the_run("under-way").ended_at is not None, children)
    assert done(tmp_path)[2:] == [("first", new.popen.pid), ("second", new.popen.pid)]
