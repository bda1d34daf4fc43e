"""Many runs at once: done by a run of the engine's own, batch by batch."""

from __future__ import annotations

import pytest

from jobs import bulk as bulk_module
from jobs.api import Context, Event, InvalidTransition, bulk, send
from jobs.models import Run, RunStatus
from jobs.testing import drain
from tests.functions import registered

pytestmark = pytest.mark.django_db


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def test_all_that_fit_are_cancelled_and_the_run_counts_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_module, "BATCH", 3)
    with registered(naps), registered(naps, fn_id="other"):
        send([Event(name="test/go") for _ in range(7)])
        drain()
        own = bulk("cancel", fn_id="test-function", why="a mistake")
        drain()
    assert Run.objects.get(id=own).output == {"done": 7, "refused": 0}
    assert Run.objects.get(id=own).steps_done == 3
    cancelled = Run.objects.filter(status=RunStatus.CANCELLED)
    assert {run.fn_id for run in cancelled} == {"test-function"}
    assert {run.error["message"] for run in cancelled} == {"a mistake"}


def test_failed_runs_go_on_from_their_failed_step():
    broken = [True]

    def fails(ctx: Context) -> str:
        if broken:
            raise ValueError("not yet")
        return "mended"

    with registered(fails, retries=0):
        send([Event(name="test/go") for _ in range(3)])
        drain()
        broken.clear()
        bulk("retry", fn_id="test-function", status="failed")
        drain()
    assert {run.output for run in Run.objects.filter(fn_id="test-function")} == {"mended"}


def test_a_rerun_from_the_start_makes_each_run_once_however_often_it_is_asked():
    with registered(lambda ctx: "x"):
        send([Event(name="test/go") for _ in range(3)])
        drain()
        bulk("rerun", fn_id="test-function")
        drain()
    runs = Run.objects.filter(fn_id="test-function")
    assert runs.filter(rerun_of__isnull=False).count() == 3
    assert runs.filter(reruns__isnull=False).distinct().count() == 3


@pytest.mark.parametrize(
    ("action", "options"),
    [("explode", {}), ("cancel", {"status": "completed"}), ("retry", {"since": "yesterday"})],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_started(action: str, options: dict):
    with pytest.raises(InvalidTransition):
        bulk(action, **options)  # type: ignore[arg-type]
    assert not Run.objects.exists()
