"""The gateway's process may open as many connections as it has requests in flight."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest

from jobs.fetch.gateway import Gateway
from jobs.platform.http.file_limit import make_room


@pytest.fixture(autouse=True)
def few() -> Iterator[int]:
    """This process's own limit for the length of a test, far below the system's, with room for what
    other tests of the process have left open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = max(512, len(os.listdir("/proc/self/fd")) + 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, hard))
    yield low
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def allowed() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_limit_that_is_too_low_is_raised(few, caplog):
    assert make_room(few + 200)
    assert allowed() == few + 200
    assert caplog.text == ""


def test_a_limit_that_is_high_enough_stays(few):
    assert make_room(300)
    assert allowed() == few


def test_a_system_that_does_not_allow_enough_is_named_in_the_log(caplog):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert not make_room(2**40)
    assert allowed() == hard
    assert f"may need {2**40} open files at once, the system allows {hard}" in caplog.text


def test_the_gateway_makes_room_for_the_connections_of_each_host(settings, monkeypatch, few):
    limits = {"GATEWAY_LIMIT": 2 * few, "GATEWAY_PER_HOST": few}
    settings.JOBS = settings.JOBS | limits | {"ALLOWED_HOSTS": ["a.test", "b.test"]}
    gateway = Gateway()
    monkeypatch.setattr(gateway._thread, "start", lambda: None)
    gateway.start()
    assert allowed() == 2 * few + 200
