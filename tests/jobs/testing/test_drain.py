"""The kit for tests of functions: time, cron lines, and functions of a test."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobs.api import (
    Context,
    Event,
    InvalidFunction,
    Timeouts,
    TriggerCron,
    TriggerEvent,
    UnknownFunction,
    create_function,
    pause,
    send,
)
from jobs.errors import JobsError
from jobs.models import CronSchedule, Run
from jobs.registry import catalog, rows
from jobs.testing import (
    drain,
    functions_of_a_block,
    ran,
    registered,
    start_cron,
    the_run,
    tick,
    travel,
)
from tests.support.functions import Diary

pytestmark = pytest.mark.django_db

HOURLY = TriggerCron(cron="17 * * * *")


# --- time that is skipped -------------------------------------------------------------------------


def test_sleeps_backoffs_and_waits_are_skipped_in_one_call():
    diary = Diary()

    def handler(ctx: Context) -> str:
        ctx.step.run("first", diary.fail_times, "first", 2)
        ctx.step.sleep("nap", timedelta(days=3))
        paid = ctx.step.wait_for_event("paid", event="test/paid", timeout=timedelta(days=30))
        return "paid" if paid else "late"

    run = ran(handler, skip_time=True)
    assert (run.status, run.output) == ("completed", "late")
    assert diary.entries == ["first"] * 3
    assert run.ended_at - run.created_at >= timedelta(days=33)


def test_without_skip_time_a_run_waits():
    run = ran(lambda ctx: ctx.step.sleep("nap", 60))
    assert (run.status, run.reason) == ("waiting", "sleep")


def test_skipped_time_passes_in_its_order_for_all_runs():
    diary = Diary()

    def sleeper(hours: int, name: str) -> Any:
        def handler(ctx: Context) -> None:
            ctx.step.sleep("nap", timedelta(hours=hours))
            ctx.step.run("wake", diary.write, name)

        return handler

    with (
        registered(sleeper(3, "late"), fn_id="late"),
        registered(sleeper(1, "early"), fn_id="early"),
    ):
        send(Event(name="test/go"))
        drain(skip_time=True)
    assert diary.entries == ["early", "late"]


def test_an_event_that_another_run_sends_later_ends_a_wait_before_its_timeout():
    def waits(ctx: Context) -> str | None:
        paid = ctx.step.wait_for_event("paid", event="test/paid", timeout=timedelta(days=30))
        return paid and paid.data["by"]

    def pays(ctx: Context) -> None:
        ctx.step.sleep("nap", timedelta(days=2))
        ctx.step.send_event("pay", Event(name="test/paid", data={"by": "a card"}))

    with registered(waits), registered(pays, fn_id="payer"):
        send(Event(name="test/go"))
        drain(skip_time=True)
    run = the_run()
    assert run.output == "a card"
    assert timedelta(days=2) <= run.ended_at - run.created_at < timedelta(days=3)


def test_a_long_wait_takes_one_jump_and_not_one_for_each_look():
    calls = []

    def handler(ctx: Context) -> None:
        calls.append(1)
        ctx.step.wait_for_event("paid", event="test/paid", timeout=timedelta(days=300))

    ran(handler, skip_time=True)
    assert len(calls) == 2


def test_a_run_that_is_late_by_its_timeouts_is_cancelled_in_skipped_time():
    run = ran(
        lambda ctx: ctx.step.sleep("nap", timedelta(days=2)),
        timeouts=Timeouts(finish=timedelta(days=1)),
        skip_time=True,
    )
    assert run.status == "cancelled"
    assert run.ended_at - run.created_at < timedelta(days=2)


def test_an_event_of_the_future_starts_its_run_in_skipped_time():
    with registered(lambda ctx: 1):
        event = Event(name="test/go", ts=datetime.now().astimezone() + timedelta(days=9))
        send(event)
        drain(skip_time=True)
    assert the_run().status == "completed"


def test_what_only_an_operator_can_end_is_no_reason_to_skip_time():
    with registered(lambda ctx: ctx.step.sleep("nap", 60)):
        rows.sync()
        send(Event(name="test/go"))
        drain()
        pause("test-function", stop_running=True)
        drain(skip_time=True)
        assert the_run().status == "waiting"
    send(Event(name="test/go"))
    assert drain(skip_time=True) == 0


def test_a_function_that_waits_for_ever_is_found():
    def handler(ctx: Context) -> None:
        while True:
            ctx.step.sleep("nap", 60)

    with registered(handler):
        send(Event(name="test/go"))
        with pytest.raises(RuntimeError, match="advanced runs 21 times and is not done"):
            drain(20, skip_time=True)


@pytest.mark.parametrize("by", [-60, None, "1h"])
def test_time_passes_by_a_timedelta_or_seconds(by):
    with pytest.raises(JobsError, match="a timedelta or a number of seconds is allowed"):
        travel(by)


# --- cron lines -----------------------------------------------------------------------------------


def test_a_line_of_a_tests_own_function_ticks_when_time_has_passed():
    with registered(lambda ctx: ctx.event.data["cron"], trigger=HOURLY):
        travel(timedelta(hours=1))
        drain()
        assert the_run().output == "17 * * * *"
        travel(timedelta(hours=5))
        drain()
    assert Run.objects.count() == 2


def test_lines_of_other_functions_tick_only_if_a_test_asks():
    with functions_of_a_block():
        create_function(fn_id="hourly", trigger=HOURLY)(lambda ctx: 1)
        travel(timedelta(hours=1))
        drain()
        assert not Run.objects.exists()

        start_cron("hourly")
        travel(timedelta(hours=1))
        drain()
        assert the_run("hourly").output == 1


def test_a_tick_starts_what_a_cluster_would_start():
    skips = TriggerCron(cron="17 * * * *", if_running="skip")
    with registered(lambda ctx: ctx.step.sleep("nap", 60), trigger=skips) as function:
        tick(function)
        drain()
        tick(function)
        drain()
        assert Run.objects.count() == 1
        assert CronSchedule.objects.get().held == 1
        drain(skip_time=True)
        tick("test-function")
        drain(skip_time=True)
    assert [run.status for run in Run.objects.all()] == ["completed", "completed"]


def test_no_line_ticks_in_skipped_time():
    with (
        registered(lambda ctx: ctx.step.sleep("nap", timedelta(days=9))),
        registered(lambda ctx: 1, fn_id="hourly", trigger=HOURLY),
    ):
        send(Event(name="test/go"))
        drain(skip_time=True)
    assert [run.fn_id for run in Run.objects.all()] == ["test-function"]


def test_what_cannot_tick_is_named():
    with (
        registered(print),
        pytest.raises(InvalidFunction, match="“test-function” has no cron line"),
    ):
        tick("test-function")
    with pytest.raises(UnknownFunction, match="No function “nightly” is registered"):
        start_cron("nightly")


# --- functions of a test --------------------------------------------------------------------------


def test_a_function_of_a_block_is_gone_after_it_with_its_hooks():
    own = {"test-function", "test-function-failure"}
    with registered(print, on_failure=print):
        assert own <= set(catalog.ids())
    assert not own & set(catalog.ids())


@pytest.mark.parametrize("again", [1, 2])
def test_a_test_may_register_what_another_has_registered(again):
    create_function(fn_id="of-a-test", trigger=TriggerEvent(event="test/go"))(lambda ctx: again)
    send(Event(name="test/go"))
    drain()
    assert the_run("of-a-test").output == again


def test_a_function_of_a_module_that_a_test_imports_first_stays(monkeypatch, tmp_path):
    (tmp_path / "shop_of_the_test.py").write_text(
        "from jobs.api import create_function\n"
        "@create_function(fn_id='stays')\n"
        "def stays(ctx): return 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with functions_of_a_block():
        __import__("shop_of_the_test")
    assert catalog.knows("stays")
    catalog.unregister("stays")


def test_a_function_is_run_by_its_own_trigger():
    with registered(
        lambda ctx: ctx.event.name, trigger=TriggerEvent(event="shop/sold")
    ) as function:
        assert ran(function, {"n": 1}).output == "shop/sold"
    with registered(lambda ctx: ctx.event.name, trigger=HOURLY) as function:
        assert ran(function).output == "jobs/scheduled.timer"
    with registered(lambda ctx: ctx.event.data, trigger=[]) as function:
        assert ran(function, {"n": 2}).output == {"n": 2}


def test_a_function_without_a_run_is_named():
    with pytest.raises(AssertionError, match="There is no run of “welcome”"):
        the_run("welcome")
