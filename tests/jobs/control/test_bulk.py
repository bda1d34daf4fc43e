"""Many runs at once: done by a run of the engine's own, batch by batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now

from jobs.api import (
    Concurrency,
    Context,
    Event,
    InvalidEvent,
    InvalidTransition,
    TriggerEvent,
    bulk,
    cancel,
    rerun,
    send,
)
from jobs.control import bulk as bulk_module
from jobs.control import bulk_batch, reruns
from jobs.control.passed_lines import PassedLines
from jobs.errors import UnknownFunction
from jobs.events import intake
from jobs.models import Run, RunStatus
from jobs.platform.postgres.clock import database_clock
from jobs.registry import catalog
from jobs.runs import pace
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def test_all_that_fit_are_cancelled_and_the_run_counts_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_batch, "BATCH", 3)
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


def test_what_is_more_than_one_run_has_steps_for_is_done_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(bulk_batch, "BATCH", 2)
    monkeypatch.setattr(bulk_batch, "MAX_BATCHES", 2)
    with registered(naps):
        send([Event(name="test/go") for _ in range(9)])
        drain()
        own = bulk("cancel", fn_id="test-function")
        late = send(Event(name="test/go"))
        drain()
    assert Run.objects.get(id=own).output == {"done": 9, "refused": 0}
    assert Run.objects.filter(fn_id="jobs-bulk").count() == 3
    assert Run.objects.get(event_id=late[0]).status == "waiting"


def test_cancelling_a_line_of_queued_runs_starts_none_of_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_batch, "BATCH", 2)
    with registered(naps, concurrency=[Concurrency(limit=1, key="'all'")]):
        send([Event(name="test/go") for _ in range(7)])
        drain()
        own = bulk("cancel", fn_id="test-function")
        drain()
    first, *others = Run.objects.filter(fn_id="test-function").order_by("id")
    assert {run.status for run in (first, *others)} == {"cancelled"}
    assert [run.started_at for run in others] == [None] * 6
    assert Run.objects.get(id=own).output == {"done": 7, "refused": 0}


def test_a_run_in_the_line_that_is_not_meant_is_woken_by_the_last_that_leaves():
    with registered(naps, concurrency=[Concurrency(limit=1, key="'all'")]):
        send([Event(name="test/go") for _ in range(3)])
        drain()
        bulk("cancel", fn_id="test-function")
        late = send(Event(name="test/go"))
        drain()
    assert Run.objects.get(event_id=late[0]).reason == "sleep"


def test_callers_are_cancelled_before_the_runs_that_they_wait_for(monkeypatch: pytest.MonkeyPatch):
    """Else a caller would go on, and fail, since the run that it waits for was cancelled."""
    monkeypatch.setattr(bulk_batch, "BATCH", 1)
    told: list[str] = []

    def calls(ctx: Context) -> None:
        ctx.step.invoke("down", function="middle")

    def passes_on(ctx: Context) -> None:
        ctx.step.invoke("down", function="lowest")

    lowest = registered(naps, fn_id="lowest", trigger=TriggerEvent(event="test/none"))
    middle = registered(passes_on, fn_id="middle", trigger=TriggerEvent(event="test/none"))
    with lowest, middle, registered(calls, on_failure=lambda ctx: told.append("failed")):
        send([Event(name="test/go") for _ in range(2)])
        drain()
        own = bulk("cancel", everything=True)
        drain()
    runs = Run.objects.filter(fn_id__in=["test-function", "middle", "lowest"])
    assert [run.status for run in runs] == ["cancelled"] * 6
    assert {run.error for run in runs} == {None}
    assert told == []
    assert Run.objects.get(id=own).output == {"done": 6, "refused": 0}


def test_what_an_earlier_version_began_to_cancel_goes_on_from_the_run_that_it_names():
    with registered(naps):
        send([Event(name="test/go") for _ in range(3)])
        drain()
        own = bulk("cancel", fn_id="test-function")
        first, *_ = runs = Run.objects.filter(fn_id="test-function").order_by("id")
        asked = ("cancel", {"fn_id": "test-function"})
        done = bulk_batch.batch(*asked, str(first.id), "", own)
        assert (done["done"], done["more"]) == (2, False)
        assert [run.status for run in runs.all()] == ["waiting", "cancelled", "cancelled"]


@pytest.mark.parametrize("action", ["cancel", "rerun"])
@pytest.mark.parametrize("mark", ["2:{}", "<nothing", "{}~", "<", "\N{BLACK STAR}"])
def test_where_a_newer_version_has_come_is_no_matter_after_a_way_back(action: Any, mark: str):
    """Its mark cannot be read: the runs are looked at from the beginning, and those that are done
    do not fit."""
    with registered(naps if action == "cancel" else lambda ctx: None):
        send([Event(name="test/go") for _ in range(3)])
        drain()
        own = bulk(action, fn_id="test-function")
        _, second, _ = Run.objects.filter(fn_id="test-function").order_by("id")
        asked = (action, {"fn_id": "test-function"})
        assert bulk_batch.batch(*asked, mark.format(second.id), "", own)["done"] == 3


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"filter": {"fn_id": "test-function", "kind": "x"}}, "kind"),
        ({"action": "forget"}, "forget"),
        ({"gently": True}, "gently"),
    ],
)
def test_what_only_a_newer_version_can_do_is_not_done_in_part(
    changes: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch
):
    asked = {"action": "cancel", "filter": {"fn_id": "test-function"}, "why": "", "invoked": False}
    bulk_function = catalog.get(bulk_module.FUNCTION)
    with registered(naps):
        send(Event(name="test/go"))
        drain()
        data = asked | changes
        own = intake.start_alone(bulk_function, Event(name=bulk_module.EVENT, data=data))
        drain()
        assert Run.objects.get(fn_id="test-function").status == RunStatus.WAITING
        run = Run.objects.get(id=own)
        assert run.status == RunStatus.FAILED
        assert f"does not know “{named}”, and does nothing more." in run.error["message"]

        monkeypatch.setattr(bulk_module, "refuse_unknown", lambda asked: None)
        monkeypatch.setitem(bulk_module.ALLOWED, "forget", [])
        monkeypatch.setitem(bulk_module.PERMISSION, "forget", "")
        rerun(run.id)
        drain()
        assert Run.objects.get(id=own).status == RunStatus.COMPLETED


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


def test_failed_and_cancelled_runs_are_retried_but_none_that_was_cancelled_since(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(bulk_batch, "BATCH", 2)

    def fails(ctx: Context) -> None:
        ctx.step.sleep("nap", 3600)
        raise ValueError("again")

    with registered(fails, retries=0):
        send([Event(name="test/go") for _ in range(6)])
        drain()
        runs = Run.objects.filter(fn_id="test-function").order_by("id")
        first, second, third, *others = runs
        for run in (first, second, third):
            cancel(run.id)
        travel(timedelta(hours=2))
        drain()
        assert {run.status for run in runs.filter(id__in=[run.id for run in others])} == {"failed"}
        own = bulk("retry", fn_id="test-function")
        Run.objects.filter(id=third.id).update(ended_at=Now() + timedelta(hours=1))
        drain()
    assert Run.objects.get(id=own).output == {"done": 5, "refused": 0}
    assert Run.objects.get(id=own).steps_done == 4
    assert Run.objects.get(id=third.id).status == RunStatus.CANCELLED


def test_a_rerun_from_the_start_makes_each_run_once_however_often_it_is_asked():
    with registered(lambda ctx: "x"):
        send([Event(name="test/go") for _ in range(3)])
        drain()
        bulk("rerun", fn_id="test-function")
        drain()
    runs = Run.objects.filter(fn_id="test-function")
    assert runs.filter(rerun_of__isnull=False).count() == 3
    assert runs.filter(reruns__isnull=False).distinct().count() == 3


def test_runs_that_came_after_it_was_asked_for_are_not_meant(monkeypatch: pytest.MonkeyPatch):
    """Nor those that it makes itself: it would never come to an end."""
    monkeypatch.setattr(bulk_batch, "BATCH", 1)
    rerun_once = reruns.rerun_once

    def rerun_and_end(run_id: UUID) -> str | None:
        made = rerun_once(run_id)
        Run.objects.filter(id=made).update(status="completed", due_at=None, ended_at=Now())
        return made

    monkeypatch.setattr(bulk_batch, "rerun_once", rerun_and_end)
    with registered(lambda ctx: "x"):
        send([Event(name="test/go") for _ in range(3)])
        drain()
        own = bulk("rerun", fn_id="test-function")
        send(Event(name="test/go"))
        drain()
    assert Run.objects.get(id=own).output == {"done": 3, "refused": 0}
    assert Run.objects.filter(rerun_of__isnull=False).count() == 3


def test_what_changed_meanwhile_is_counted_as_refused():
    with registered(naps):
        send([Event(name="test/go") for _ in range(2)])
        drain()
        own = bulk("cancel", fn_id="test-function")
        first = Run.objects.filter(fn_id="test-function").earliest("id")
        done = bulk_batch.batch("cancel", {"fn_id": "test-function"}, "", "", own)
        assert done["done"] == 2
        for action, run_id, says_why in (("cancel", first.id, False), ("retry", UUID(own), True)):
            order = bulk_batch.Order(action, "", False, pace.Crowd("jobs-bulk"), PassedLines())
            reasons: dict[UUID, str] = {}
            assert bulk_batch._act(order, run_id, reasons) is False
            assert list(reasons) == [run_id] * says_why


def test_a_span_of_time_is_datetimes_or_texts():
    with registered(naps):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(minutes=40))
        send(Event(name="test/go"))
        drain()
        now = database_clock().at
        bulk("cancel", fn_id="test-function", until=(now - timedelta(minutes=20)).isoformat())
        drain()
        old, young = Run.objects.filter(fn_id="test-function").order_by("id")
        assert (old.status, young.status) == (RunStatus.CANCELLED, RunStatus.WAITING)
        bulk("cancel", fn_id="test-function", since=now - timedelta(minutes=20), until=now)
        drain()
        young.refresh_from_db()
    assert young.status == RunStatus.CANCELLED


@pytest.mark.parametrize(
    "options", [{"fn_id": "a\0b"}, {"status": "queued", "why": "a\0b"}, {"fn_id": {1}}]
)
def test_what_cannot_be_stored_is_refused_and_nothing_is_started(options: dict):
    with pytest.raises(InvalidEvent):
        bulk("cancel", **options)
    assert not Run.objects.exists()


@pytest.mark.parametrize("action", ["cancel", "retry", "rerun"])
@pytest.mark.parametrize("options", [{}, {"why": "a slip"}, {"fn_id": ""}, {"everything": 1}])
def test_without_a_filter_the_whole_site_is_meant_only_if_it_is_said(action: Any, options: dict):
    with pytest.raises(InvalidTransition, match=r"every run of the site.*say everything=True"):
        bulk(action, **options)
    assert not Run.objects.exists()


def test_everything_means_every_run_of_the_site():
    with registered(naps), registered(naps, fn_id="other"):
        send([Event(name="test/go"), Event(name="test/go")])
        drain()
        bulk("cancel", everything=True)
        drain()
    assert set(Run.objects.exclude(fn_id="jobs-bulk").values_list("fn_id", "status")) == {
        ("test-function", "cancelled"),
        ("other", "cancelled"),
    }


def test_a_filter_beside_everything_is_refused():
    with pytest.raises(InvalidTransition, match="is given fn_id, since and everything=True"):
        bulk("cancel", fn_id="test-function", since=datetime.now(UTC), everything=True)
    assert not Run.objects.exists()


def test_an_unknown_function_is_named_and_nothing_is_started():
    with pytest.raises(UnknownFunction, match="There is no function “tpyo”"):
        bulk("cancel", fn_id="tpyo")
    assert not Run.objects.exists()


def test_runs_of_a_function_that_is_gone_can_be_cancelled():
    with registered(naps):
        send(Event(name="test/go"))
        drain()
    bulk("cancel", fn_id="test-function")
    drain()
    assert Run.objects.get(fn_id="test-function").status == RunStatus.CANCELLED


@pytest.mark.parametrize(
    ("action", "options", "sentence"),
    [
        ("explode", {}, "'explode' is no bulk action; cancel, retry and rerun are"),
        ("cancel", {"status": "completed"}, "'completed': queued, running, waiting are allowed"),
        (
            "retry",
            {"since": "yesterday"},
            "cannot be read: “yesterday” value has an",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_started(
    action: str, options: dict, sentence: str
):
    with pytest.raises(InvalidTransition, match=sentence):
        bulk(action, **options)  # type: ignore[arg-type]
    assert not Run.objects.exists()
