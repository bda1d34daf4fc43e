"""The events of many runs that were cancelled together, where nothing listens, come a little later:
one for each run, as if it had been cancelled alone.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from jobs.api import Context, Event, TriggerEvent, bulk, cancel, forget, rerun, send
from jobs.control import cancellation_events
from jobs.control.cancellation_events import FUNCTION
from jobs.control.cancellation_sets import cancel_plain
from jobs.control.passed_lines import PassedLines
from jobs.events.event import EventPayload
from jobs.execution.executor import execute
from jobs.models import Event as EventRow
from jobs.models import Run, RunStatus
from jobs.runs.claiming import claim_due
from jobs.runs.hook_events import CANCELLED
from jobs.testing import drain, travel
from tests.support.deaths import DIED, die_at_commit, leases_lapse
from tests.support.functions import Diary, in_a_child, registered, the_run
from tests.support.rows import make_event, make_run, now

pytestmark = [pytest.mark.processes, pytest.mark.django_db]

LATER = timedelta(seconds=11)


@pytest.fixture(autouse=True)
def two_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation_events, "LEAST", 2)


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def waits(ctx: Context) -> str:
    found = ctx.step.wait_for_event("wait", event=CANCELLED, timeout=3600)
    return found.data["run_id"] if found else ""


def asleep(count: int) -> list[Run]:
    send([Event(name="test/go", data={"user": n, "deep": [1.5, None, "é"]}) for n in range(count)])
    drain()
    return list(Run.objects.filter(fn_id="test-function").order_by("id"))


def together(runs: list[Run], why: str = "") -> None:
    with PassedLines() as passed_lines:
        assert cancel_plain([r.id for r in runs], {"test-function"}, why, passed_lines) == set()


def told() -> dict[str, dict[str, Any]]:
    """Run's id → data."""
    rows = EventRow.objects.filter(name=CANCELLED).values_list("data", flat=True)
    found = {data["run_id"]: data for data in rows}
    assert len(found) == len(rows), "a run was told of twice"
    return found


def tellers() -> list[Run]:
    return list(Run.objects.filter(fn_id=FUNCTION).order_by("id"))


def later() -> None:
    travel(LATER)
    drain()


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["", "a “mistake”"])
def test_each_event_is_as_if_its_run_had_been_cancelled_alone(why: str):
    with registered(naps):
        first, *others = asleep(4)
        cancel(first.id, why=why)
        together(others, why)
        assert set(told()) == {str(first.id)}
        later()
    found = told()
    alone = found.pop(str(first.id))
    assert found == {
        str(run.id): alone
        | {
            "run_id": str(run.id),
            "event": EventPayload.of_row(run.event).as_json(),
            "events": [EventPayload.of_row(run.event).as_json()],
        }
        for run in Run.objects.filter(id__in=[run.id for run in others])
    }
    assert [run.output for run in tellers()] == [3]


def test_an_event_happened_when_its_run_was_cancelled():
    with registered(naps):
        runs = asleep(2)
        together(runs)
        later()
    (ended_at,) = {run.ended_at for run in Run.objects.filter(fn_id="test-function")}
    events = EventRow.objects.filter(name=CANCELLED)
    assert [event.ts for event in events] == [ended_at] * 2
    assert all(event.received_at > ended_at for event in events)


def test_of_few_runs_they_come_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cancellation_events, "LEAST", 3)
    with registered(naps):
        runs = asleep(2)
        together(runs)
    assert set(told()) == {str(run.id) for run in runs}
    assert tellers() == []


def test_where_a_function_has_a_hook_they_come_at_once():
    diary = Diary()
    with registered(naps, on_cancel=lambda ctx: diary.write(ctx.event.data["run_id"])):
        runs = asleep(3)
        together(runs)
        assert set(told()) == {str(run.id) for run in runs}
        drain()
    assert sorted(diary.entries) == [str(run.id) for run in runs]
    assert tellers() == []


def test_if_the_cancellation_is_undone_there_is_nothing_to_tell():
    with registered(naps), registered(waits, fn_id="waits", trigger=TriggerEvent(event="test/w")):
        runs = asleep(2)
        send(Event(name="test/w"))
        drain()
        with PassedLines() as passed_lines:
            ids = [run.id for run in runs]
            assert cancel_plain(ids, {"test-function"}, "", passed_lines) == set(ids)
    assert tellers() == []


# --- what has changed meanwhile -------------------------------------------------------------------


def test_a_function_that_has_begun_to_listen_meanwhile_gets_each(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cancellation_events, "SINGLY", 2)
    diary = Diary()
    listens = {"fn_id": "listener", "trigger": TriggerEvent(event=CANCELLED)}
    with registered(naps):
        runs = asleep(5)
        together(runs, "why")
        with registered(lambda ctx: diary.write(ctx.event.data["run_id"]), **listens):
            later()
            assert {data["error"]["message"] for data in told().values()} == {"why"}
            for _ in range(2):  # it rests beside the listener's runs
                later()
    assert sorted(diary.entries) == [str(run.id) for run in runs]


def test_a_step_that_has_begun_to_wait_meanwhile_gets_one():
    with registered(naps), registered(waits, fn_id="waits", trigger=TriggerEvent(event="test/w")):
        runs = asleep(3)
        together(runs)
        send(Event(name="test/w"))
        drain()
        later()
    assert the_run("waits").output in {str(run.id) for run in runs}
    assert len(told()) == 3


def test_a_run_that_was_retried_meanwhile_is_told_of_by_its_cancellation():
    with registered(naps):
        runs = asleep(2)
        together(runs, "why")
        rerun(runs[0].id)
        later()
        data = told()[str(runs[0].id)]
    assert (data["epoch"], data["error"]["message"]) == (1, "why")
    assert Run.objects.get(id=runs[0].id).epoch > 1


def test_a_run_that_was_deleted_meanwhile_is_passed_by():
    with registered(naps):
        runs = asleep(3)
        together(runs)
        Run.objects.filter(id=runs[1].id).delete()
        later()
    assert set(told()) == {str(runs[0].id), str(runs[2].id)}


def test_of_a_run_that_was_forgotten_meanwhile_no_words_are_told():
    with registered(naps):
        runs = asleep(2)
        together(runs, "Ada asked for it")
        forget([runs[0].event_id])
        drain()
        later()
    forgotten, remembered = (told()[str(run.id)] for run in runs)
    assert forgotten["error"] is None
    assert "é" not in str(forgotten)
    assert remembered["error"]["message"] == "Ada asked for it"


# --- once -----------------------------------------------------------------------------------------


def test_a_rerun_by_hand_finds_what_is_written():
    with registered(naps):
        together(asleep(3))
        later()
        (teller,) = tellers()
        EventRow.objects.filter(name=CANCELLED).first().delete()
        rerun(teller.id, from_start=True)
        drain()
    assert len(told()) == 3
    assert [run.output for run in tellers()] == [3, 1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [True, False])
def test_a_worker_that_dies_at_any_commit_leaves_each_run_told_of_once(before: bool):
    with registered(naps):
        for number in count(1):
            runs = asleep(3)[-3:]
            bulk("cancel", fn_id="test-function")

            def work(number: int = number) -> None:
                die_at_commit(number, before=before)
                work_through()

            ended = in_a_child(work)
            leases_lapse()
            drain()
            travel(LATER)
            in_a_child(work)
            leases_lapse()
            later()
            assert {str(run.id) for run in runs} <= set(told()), f"died at commit {number}"
            if ended != DIED:
                break
    assert number > 2


def work_through() -> None:
    while claims := claim_due(10):
        for claimed in claims:
            execute(claimed)


# --- beside others --------------------------------------------------------------------------------


def test_while_a_bulk_action_is_at_work_it_waits():
    with registered(naps):
        together(asleep(2))
        own = bulk("cancel", everything=True)
        (claimed,) = claim_due(1)
        assert str(claimed.run_id) == own
        later()
        assert told() == {}
        execute(claimed)
        later()
    assert len(told()) == 2


def test_beside_other_runs_it_rests_between_two_sets():
    make_run(status="completed", ended_at=now() + timedelta(minutes=1), event=make_event())
    with registered(naps):
        runs = asleep(4)
        together(runs[:2])
        together(runs[2:])
        later()
        assert [run.status for run in tellers()] == [RunStatus.WAITING, RunStatus.QUEUED]
        assert len(told()) == 2
        later()
        later()
    assert len(told()) == 4
    assert {run.status for run in tellers()} == {RunStatus.COMPLETED}
