"""What the code that has sent an event can ask of the runs that it started."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from jobs.api import (
    CannotWait,
    Context,
    Event,
    InvalidStep,
    NonRetriableError,
    RunFailed,
    RunUnfinished,
    StepError,
    UnknownEvent,
    UnknownRun,
    cancel,
    rerun,
    result,
    runs_of,
    send,
    status,
)
from jobs.control import results
from jobs.testing import drain, travel
from tests.support.explain import explained
from tests.support.functions import Diary, nap, ran, registered, the_run

pytestmark = pytest.mark.django_db


def sent(data: dict[str, Any] | None = None) -> str:
    (event_id,) = send(Event(name="test/go", data=data or {}))
    return event_id


def while_waiting(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> list[float]:
    """Have something done in place of each sleep between two looks; returns their lengths."""
    slept: list[float] = []

    def instead(seconds: float) -> None:
        slept.append(seconds)
        act()

    monkeypatch.setattr(results, "sleep", instead)
    return slept


def test_an_event_names_the_runs_that_it_started():
    with registered(lambda ctx: 1), registered(nap(Diary()), fn_id="sleeper"):
        event_id = sent()
        drain()
    first, second = sorted(runs_of(event_id), key=lambda run: run.fn_id)
    assert (first.fn_id, first.status, first.is_unfinished) == ("sleeper", "waiting", True)
    assert (first.reason, first.steps_done, first.ended_at) == ("sleep", 1, None)
    assert (second.fn_id, second.status, second.is_unfinished) == (
        "test-function",
        "completed",
        False,
    )
    assert {str(run.event_id) for run in (first, second)} == {event_id}


def test_an_event_that_started_nothing_has_no_runs():
    assert runs_of(sent()) == []


def test_what_a_person_had_run_again_is_among_the_runs_of_its_event():
    with registered(lambda ctx: 1):
        event_id = sent()
        drain()
        again = rerun(runs_of(event_id)[0].id, from_start=True)
        drain()
    assert [str(run.id) for run in runs_of(event_id)][1:] == [str(again)]


def test_the_status_of_a_run_is_what_its_row_says():
    run = ran(nap(Diary()))
    told = status(run.id)
    assert (told.id, told.fn_id, told.event_id) == (run.id, run.fn_id, run.event_id)
    assert (told.status, told.reason, told.due_at) == ("waiting", "sleep", run.due_at)
    assert (told.created_at, told.started_at, told.error) == (run.created_at, run.started_at, None)
    assert status(str(run.id)) == told


def test_the_status_of_a_failed_run_has_its_error():
    def fails(ctx: Context) -> None:
        raise NonRetriableError("sold out", code="sold_out")

    told = status(ran(fails).id)
    assert told.status == "failed"
    assert (told.error or {})["code"] == "sold_out"


@pytest.mark.parametrize("output", [{"gift": "a hat"}, None, [1, 2.5, "ä"], 0])
def test_the_result_of_a_run_is_what_its_function_returned(output):
    assert result(ran(lambda ctx: output).id) == output


def test_a_run_that_has_not_ended_has_no_result():
    run = ran(nap(Diary()))
    with pytest.raises(RunUnfinished, match=r"has not ended: it is waiting \(sleep\)") as told:
        result(run.id)
    assert told.value.state.id == run.id


def test_the_result_of_a_failed_run_is_its_failure():
    def fails(ctx: Context) -> None:
        ctx.step.run("charge", charge)

    def charge() -> None:
        raise NonRetriableError("no money", code="no_money")

    run = ran(fails)
    with pytest.raises(RunFailed, match=r"“test-function” failed: .*no money") as told:
        result(run.id)
    assert (told.value.state.status, told.value.name) == ("failed", "StepError")
    assert "charge" in told.value.stack


def test_the_result_of_a_cancelled_run_says_so():
    with registered(nap(Diary())):
        event_id = sent()
        drain()
        cancel(event_id=event_id, why="the customer has left")
    (run,) = runs_of(event_id)
    with pytest.raises(RunFailed, match="was cancelled: Cancelled: the customer has left"):
        result(run.id)


@pytest.mark.parametrize("given", [uuid.UUID(int=0), "no id", "", None, 7, b"x", "\0"])
def test_what_is_no_run_is_unknown(given):
    with pytest.raises(UnknownRun, match="There is no run"):
        status(given)
    with pytest.raises(UnknownRun, match="There is no run"):
        result(given)


@pytest.mark.parametrize("given", [uuid.UUID(int=0), "order-7", "", None, 7, b"x", "\0"])
def test_what_is_no_event_is_unknown_and_the_error_says_which_id_is_wanted(given):
    with pytest.raises(UnknownEvent, match=r"give the id that send\(\) returned"):
        runs_of(given)


@pytest.mark.parametrize("ask", [status, result, lambda run_id: runs_of(the_run().event_id)])
def test_each_question_is_one_statement_by_an_index(ask):
    run = ran(lambda ctx: 1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table of one row is read whole
    with explained() as seen:
        ask(run.id)
    (statement,) = [text for text in seen.plans if "jobs_run r" in text or "jobs_event e" in text]
    assert not seen.scanned(statement, ("jobs_run", "jobs_event"))
    assert seen.pages[statement] < 40  # of a few index look-ups; a scan is caught above


# --- waiting --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_result_is_waited_for(monkeypatch):
    slept = while_waiting(monkeypatch, drain)
    with registered(lambda ctx: "done"):
        (run,) = runs_of(sent())
        assert result(run.id, wait=10) == "done"
    assert len(slept) == 1


@pytest.mark.django_db(transaction=True)
def test_a_wait_looks_less_and_less_often_and_at_most_every_half_second(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(results, "monotonic", lambda: clock[0])
    slept: list[float] = []

    def pass_time(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(results, "sleep", pass_time)
    run = ran(nap(Diary()))
    with (
        CaptureQueriesContext(connection) as asked,
        pytest.raises(RunUnfinished, match="after 300 s: it is waiting"),
    ):
        result(run.id, wait=timedelta(minutes=5))
    assert slept[0] == 0.01
    assert max(slept) == 0.5
    assert sum(slept) == pytest.approx(300)
    assert len(asked) == len(slept) + 1 < 650


@pytest.mark.parametrize("wait", [-1, 301, float("nan"), float("inf"), "5", None, True, []])
def test_a_wait_is_at_most_five_minutes(wait):
    with pytest.raises(CannotWait, match="allowed are 0 to 300 seconds"):
        result(uuid.UUID(int=0), wait=wait)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_waited_for_inside_a_transaction():
    with registered(lambda ctx: 1), transaction.atomic():
        (run,) = runs_of(sent())
        with pytest.raises(CannotWait, match="starts only when it commits"):
            result(run.id, wait=1)
    with registered(lambda ctx: 1):
        drain()
    assert result(run.id) == 1


@pytest.mark.parametrize("in_a_step", [True, False])
def test_a_function_may_read_a_result_and_not_wait_for_it(in_a_step):
    other = ran(lambda ctx: 7)

    def reads(ctx: Context, wait: float) -> int:
        if in_a_step:
            return ctx.step.run("read", lambda: result(other.id, wait=wait))
        return result(other.id, wait=wait)

    assert ran(lambda ctx: reads(ctx, 0), fn_id="reader", trigger=[]) is not None
    assert ran(lambda ctx: reads(ctx, 0)).output == 7

    def waits(ctx: Context) -> str:
        with pytest.raises((InvalidStep, StepError), match=r"ctx\.step\.invoke\(\)"):
            reads(ctx, 1)
        return "refused"

    assert ran(waits).output == "refused"


# --- cancelling what an event started -------------------------------------------------------------


def test_all_unfinished_runs_of_an_event_are_cancelled():
    with (
        registered(nap(Diary())),
        registered(nap(Diary()), fn_id="another"),
        registered(lambda ctx: 1, fn_id="quick"),
    ):
        event_id, other = sent(), sent()
        drain()
        assert cancel(event_id=event_id, why="withdrawn") is True
        assert cancel(event_id=uuid.UUID(event_id)) is False
        drain()
    told = {run.fn_id: run.status for run in runs_of(event_id)}
    assert told == {"test-function": "cancelled", "another": "cancelled", "quick": "completed"}
    assert {run.status for run in runs_of(other)} == {"waiting", "completed"}


def test_a_function_that_cancels_its_events_runs_ends_with_them():
    def ends_all(ctx: Context) -> None:
        ctx.step.run("end", lambda: cancel(event_id=the_run().event_id))

    with registered(nap(Diary()), fn_id="a sleeper"), registered(ends_all):
        event_id = sent()
        drain()
        travel(timedelta(hours=2))
        drain()
    assert [run.status for run in runs_of(event_id)] == ["cancelled", "cancelled"]


def test_cancel_is_told_one_thing_to_cancel():
    with pytest.raises(UnknownRun, match=r"give cancel\(\) a run's id, or event_id"):
        cancel()
    with pytest.raises(UnknownRun, match="not both"):
        cancel(uuid.UUID(int=0), event_id=uuid.UUID(int=0))
    with pytest.raises(UnknownEvent, match="There is no event"):
        cancel(event_id="order-7")
