"""A run whose function nobody knows waits where people can see it, and says why."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from jobs.api import Event, send
from jobs.models import Reason, Run, RunStatus
from jobs.registry import discovery
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db


@pytest.fixture
def module(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(discovery, "broken", {})

    def write(source: str) -> str:
        (tmp_path / "some_functions.py").write_text(source)
        sys.modules.pop("some_functions", None)
        return "some_functions"

    return write


def test_it_waits_with_the_reason_and_goes_on_when_a_deployment_knows_it():
    with registered(lambda ctx: "done"):
        send(Event(name="test/go"))
    drain()
    run = Run.objects.get()
    assert (run.status, run.reason) == (RunStatus.QUEUED, Reason.FUNCTION)
    assert "No function “test-function” is registered" in run.error["message"]
    with registered(lambda ctx: "done"):
        travel(timedelta(seconds=31))
        drain()
    run.refresh_from_db()
    assert (run.status, run.output, run.error) == (RunStatus.COMPLETED, "done", None)


def test_a_module_that_raises_at_import_is_told_of_and_takes_nothing_down(module):
    discovery._import(module("raise OSError('no such setting')"))
    assert "some_functions cannot be imported: OSError" in discovery.why_unknown("x")
    (warning,) = discovery.modules(None)
    assert (warning.id, "no such setting" in warning.msg) == ("jobs.W001", True)
    assert warning.msg.endswith("(some_functions.py, line 1)")
