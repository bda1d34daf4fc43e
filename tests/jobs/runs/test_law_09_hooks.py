"""Law 9: a failure is handled once, by an ordinary run of its own."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from jobs.api import Context, NonRetriableError, TriggerEvent, cancel, rerun
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, registered, the_run

pytestmark = pytest.mark.django_db


def fails(ctx: Context) -> None:
    ctx.step.run("break", broken)


def broken() -> None:
    raise NonRetriableError("it is broken")


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def remembers(seen: list):
    def hook(ctx: Context) -> str:
        seen.append(ctx.event)
        return ctx.step.run("say", str, "sorry")

    return hook


def test_a_failed_run_starts_its_on_failure_once_with_the_error_and_the_event():
    seen = []
    with registered(fails, on_failure=remembers(seen)):
        go({"songId": 7}, id="order-7")
        drain()
        drain()
    failed, handler = the_run(), the_run("test-function-failure")
    assert (failed.status, handler.status, handler.output) == ("failed", "completed", "sorry")
    assert len(seen) == 1
    event = seen[0]
    assert event.name == "jobs/function.failed"
    assert event.data["run_id"] == str(failed.id)
    assert event.data["function_id"] == "test-function"
    assert event.data["event"]["data"] == {"songId": 7}
    assert event.data["event"]["id"] == "order-7"
    assert event.data["events"] == [event.data["event"]]
    assert "it is broken" in event.data["error"]["message"]


def test_a_run_that_ends_well_starts_none():
    seen = []
    with registered(lambda ctx: 1, on_failure=remembers(seen), on_cancel=remembers(seen)):
        go()
        drain()
    assert seen == []
    assert Run.objects.count() == 1


def test_an_attempt_that_will_be_repeated_starts_none():
    seen, diary = [], Diary()

    def flaky(ctx: Context) -> None:
        ctx.step.run("one", diary.fail_times, "one", 1)

    with registered(flaky, on_failure=remembers(seen)):
        go()
        drain()
        travel(timedelta(seconds=2))
        drain()
    assert seen == []


def test_a_cancelled_run_starts_its_on_cancel_once_and_not_its_on_failure():
    cancelled, failed = [], []
    with registered(naps, on_cancel=remembers(cancelled), on_failure=remembers(failed)):
        run = go({"songId": 7})
        drain()
        cancel(run.id)
        cancel(run.id)
        drain()
    assert [event.data["event"]["data"] for event in cancelled] == [{"songId": 7}]
    assert failed == []
    assert the_run("test-function-cancel").status == "completed"


def test_a_persons_retry_starts_on_retry():
    retried = []
    with registered(fails, on_retry=remembers(retried)):
        run = go({"songId": 7})
        drain()
        rerun(run.id)
        drain()
    assert [event.data["run_id"] for event in retried] == [str(run.id)]
    assert retried[0].data["event"]["data"] == {"songId": 7}


def test_a_failing_on_failure_triggers_no_other():
    with registered(fails, on_failure=fails):
        go()
        drain()
    assert sorted(Run.objects.values_list("fn_id", flat=True)) == [
        "test-function",
        "test-function-failure",
    ]
    assert set(Run.objects.values_list("status", flat=True)) == {"failed"}


def test_a_run_that_fails_again_after_a_retry_is_handled_again():
    seen = []
    with registered(fails, on_failure=remembers(seen)):
        run = go()
        drain()
        rerun(run.id)
        drain()
    assert len(seen) == 2


def test_an_on_failure_is_retried_like_any_function():
    diary = Diary()

    def hook(ctx: Context) -> None:
        ctx.step.run("say", diary.fail_times, "say", 1)

    with registered(fails, on_failure=hook):
        go()
        drain()
        travel(timedelta(seconds=2))
        drain()
    assert the_run("test-function-failure").status == "completed"


def test_the_failure_is_told_even_if_no_hook_handles_it():
    with registered(fails):
        go()
        drain()
    assert EventRow.objects.filter(name="jobs/function.failed").count() == 1


def test_a_function_that_changed_its_event_fails_with_the_event_as_it_was():
    def handler(ctx: Context) -> None:
        ctx.event.data["now"] = datetime.now()
        raise NonRetriableError("no")

    seen = []
    with registered(handler, on_failure=remembers(seen)):
        go({"songId": 7})
        drain()
    assert the_run().status == "failed"
    assert seen[0].data["event"]["data"] == {"songId": 7}


@pytest.mark.parametrize("listens_to", ["jobs/function.failed", "jobs/*"])
def test_a_function_that_listens_to_failures_and_fails_is_not_told_of_its_own(listens_to):
    seen = []
    listens = {"fn_id": "listener", "trigger": TriggerEvent(event=listens_to)}
    with registered(fails), registered(fails, **listens, on_failure=remembers(seen)):
        go()
        drain(limit=10)
    assert Run.objects.filter(fn_id="listener").count() == 1
    assert [event.data["function_id"] for event in seen] == ["listener"]
    assert EventRow.objects.filter(name="jobs/function.failed").count() == 2


def test_a_function_that_listens_to_cancellations_and_is_cancelled_is_not_told_of_its_own():
    listens = {"fn_id": "listener", "trigger": TriggerEvent(event="jobs/function.cancelled")}
    with registered(naps), registered(naps, **listens):
        cancel(go().id)
        drain()
        cancel(the_run("listener").id)
        drain()
    assert Run.objects.filter(fn_id="listener").count() == 1


def test_the_failure_of_a_hook_is_told_to_a_function_that_listens_to_failures():
    listens = {"fn_id": "listener", "trigger": TriggerEvent(event="jobs/function.failed")}
    with registered(fails, on_failure=fails), registered(lambda ctx: None, **listens):
        go()
        drain(limit=10)
    told = EventRow.objects.filter(runs__fn_id="listener").order_by("received_at", "id")
    found = [event.data["function_id"] for event in told]
    assert found == ["test-function", "test-function-failure"]
