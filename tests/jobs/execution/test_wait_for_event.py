"""step.wait_for_event: suspended until an event comes that fits, or the time is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context, Event, InvalidStep, cancel, rerun, send
from jobs.models import Reason, Run, RunStatus, Step
from jobs.testing import drain, travel
from tests.support.functions import ran, registered

pytestmark = pytest.mark.django_db


def waits(**options: object):
    def handler(ctx: Context) -> object:
        came = ctx.step.wait_for_event("payment", event="test/paid", timeout=3600, **options)
        return came.data if came else None

    return handler


def test_an_event_that_comes_wakes_the_run_and_is_what_the_step_returns():
    with registered(waits()):
        send(Event(name="test/go"))
        drain()
        run = Run.objects.get()
        assert (run.status, run.reason) == (RunStatus.WAITING, Reason.EVENT)
        send(Event(name="test/paid", data={"amount": 5}))
        drain()
    run.refresh_from_db()
    assert (run.status, run.output) == (RunStatus.COMPLETED, {"amount": 5})


def test_a_condition_compares_the_awaited_event_with_the_runs_own():
    with registered(waits(if_exp="async.data.order == event.data.order")):
        send(Event(name="test/go", data={"order": 7}))
        drain()
        send(Event(name="test/paid", data={"order": 8}))
        drain()
        assert Run.objects.get().status == RunStatus.WAITING
        send(Event(name="test/paid", data={"order": 7}))
        drain()
    assert Run.objects.get().output == {"order": 7}


def test_nothing_comes_and_the_step_returns_none_when_its_time_is_over():
    with registered(waits()):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(minutes=59))
        drain()
        assert Run.objects.get().status == RunStatus.WAITING
        travel(timedelta(minutes=2))
        drain()
    run = Run.objects.get()
    assert (run.status, run.output) == (RunStatus.COMPLETED, None)


def test_an_event_sent_after_the_runs_own_but_before_the_wait_is_not_missed():
    with registered(waits()):
        send(Event(name="test/go"))
        travel(timedelta(seconds=1))
        send(Event(name="test/paid", data={"early": True}))
        drain()
    assert Run.objects.get().output == {"early": True}


def test_an_event_from_before_the_runs_own_is_not_taken():
    send(Event(name="test/paid", data={"old": True}))
    travel(timedelta(seconds=1))
    with registered(waits()):
        send(Event(name="test/go"))
        drain()
    assert Run.objects.get().status == RunStatus.WAITING


def test_a_sender_that_could_not_see_the_wait_is_found_at_the_second_look():
    with registered(waits()):
        send(Event(name="test/go"))
        drain()
        step = Step.objects.get()
        Step.objects.update(awaits="")  # as the sender saw it: not there yet
        send(Event(name="test/paid", data={"late": True}))
        Step.objects.filter(id=step.id).update(awaits="test/paid")
        travel(timedelta(seconds=1))
        drain()
    assert Run.objects.get().output == {"late": True}


def test_two_waits_of_one_run_take_two_events():
    def handler(ctx: Context) -> list[object]:
        found = [ctx.step.wait_for_event("next", event="test/paid", timeout=60) for _ in range(2)]
        return [event.data["n"] for event in found if event]

    with registered(handler):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=2))
        send([Event(name="test/paid", data={"n": 1}), Event(name="test/paid", data={"n": 2})])
        drain()
    assert Run.objects.get().output == [1, 2]


@pytest.mark.parametrize("timeout", [None, -1, timedelta(days=367), float("nan"), "soon"])
def test_a_timeout_that_is_none_is_refused_with_what_is_allowed(timeout: object):
    def handler(ctx: Context) -> None:
        ctx.step.wait_for_event("w", event="test/paid", timeout=timeout)  # type: ignore[arg-type]

    with registered(handler):
        send(Event(name="test/go"))
        drain()
    run = Run.objects.get()
    assert run.status == RunStatus.FAILED
    assert run.error["name"] == InvalidStep.__name__
    assert "366 days" in run.error["message"]


def test_a_wait_whose_timeout_is_none_is_refused_with_what_is_allowed():
    def handler(ctx):
        ctx.step.wait_for_event("w", event="test/paid", timeout=None)

    with registered(handler, retries=3):
        send(Event(name="test/go"))
        drain()
    run = Run.objects.get()
    assert (run.status, run.error["name"]) == (RunStatus.FAILED, InvalidStep.__name__)
    assert "step.wait_for_event(“w”)" in run.error["message"]
    assert "366 days" in run.error["message"]


@pytest.mark.parametrize(("minutes", "taken"), [(59, {"amount": 5}), (61, None)])
def test_an_event_that_comes_when_the_time_is_over_is_not_taken_by_a_run_that_looks_later_still(
    minutes: int, taken: object
):
    """As when no cluster was alive at the time."""
    with registered(waits()):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(minutes=minutes))
        send(Event(name="test/paid", data={"amount": 5}))
        travel(timedelta(hours=1))
        drain()
    assert Run.objects.get().output == taken


def test_what_comes_after_one_wait_is_left_to_the_next():
    def handler(ctx: Context) -> list[object]:
        came = [ctx.step.wait_for_event("tick", event="test/tick", timeout=60) for _ in range(2)]
        return [one and one.data["number"] for one in came]

    with registered(handler):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=61))
        send(Event(name="test/tick", data={"number": 1}))
        drain()
    assert Run.objects.get().output == [None, 1]


def test_a_wait_without_time_takes_what_has_come_already():
    def handler(ctx: Context) -> list[object]:
        ctx.step.send_event("send", Event(name="test/tick", data={"number": 1}))
        looks = [ctx.step.wait_for_event("look", event="test/tick", timeout=0) for _ in range(2)]
        return [one and one.data["number"] for one in looks]

    assert ran(handler).output == [1, None]


def retried_after_two_hours() -> Run:
    """A run that was cancelled during its wait of an hour."""
    send(Event(name="test/go"))
    drain()
    run = Run.objects.get()
    cancel(run.id)
    travel(timedelta(hours=2))
    rerun(run.id)
    drain()
    return run


def test_a_retry_waits_anew_with_all_the_time():
    with registered(waits()):
        run = retried_after_two_hours()
        run.refresh_from_db()
        assert (run.status, run.reason) == (RunStatus.WAITING, Reason.EVENT)
        travel(timedelta(minutes=59))
        send(Event(name="test/paid", data={"amount": 5}))
        drain()
    run.refresh_from_db()
    assert run.output == {"amount": 5}


def test_a_wait_that_began_anew_ends_when_its_time_is_over():
    with registered(waits()):
        run = retried_after_two_hours()
        travel(timedelta(minutes=61))
        drain()
    run.refresh_from_db()
    assert (run.status, run.output) == (RunStatus.COMPLETED, None)


@pytest.mark.parametrize("hours", [0, 2])
def test_what_came_while_the_run_was_cancelled_is_taken_by_its_retry(hours: int):
    with registered(waits()):
        send(Event(name="test/go"))
        drain()
        run = Run.objects.get()
        cancel(run.id)
        travel(timedelta(hours=hours))
        send(Event(name="test/paid", data={"amount": 5}))
        rerun(run.id)
        drain()
    run.refresh_from_db()
    assert run.output == {"amount": 5}
