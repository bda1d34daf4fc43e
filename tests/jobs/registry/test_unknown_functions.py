"""A run whose function is not registered waits where operators can see it, and says why."""

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


SLIPS = {
    "an option that is misspelt": "TriggerEvent(evnt='x')",
    "an option that is missing": "TriggerEvent()",
    "a name that is not there": "from jobs.api import create_functoin",
    "an error deep in another package": "import json; json.loads('{')",
}


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_a_slip_that_keeps_a_module_from_being_imported_is_told_by_file_and_line(module, slip):
    imported = "from jobs.api import TriggerEvent, create_function"
    discovery._import(module(f"{imported}\n\n\n{slip}\n"))
    (warning,) = discovery.modules(None)
    assert warning.msg.endswith("(some_functions.py:4)")


MEANT = {
    "TriggerEvent(evnt='x')": "Did you mean “event”?",
    "TriggerEvent('x')": "Its options are given by name: event, if_exp, data.",
    "create_function(print)": "Declare a function so: @create_function(fn_id=",
    "create_function(retries=3)": "Declare a function so: @create_function(fn_id=",
}


@pytest.mark.parametrize(("slip", "sentence"), MEANT.items(), ids=MEANT)
def test_what_was_meant_by_such_a_slip_is_told(module, slip, sentence):
    discovery._import(module(f"from jobs.api import TriggerEvent, create_function\n{slip}\n"))
    (warning,) = discovery.modules(None)
    assert sentence in warning.msg
