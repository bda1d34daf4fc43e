"""Nothing listens in silence to an event that cannot come."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.api import Cancel, Context, Event, InvalidFunction, TriggerEvent, create_function, send
from jobs.registry import catalog
from jobs.testing import drain, the_run
from tests.support.functions import go, ran, registered

TOLD = (
    "The engine's are “jobs/function.cancelled”, “jobs/function.failed”, “jobs/function.retried”."
)


def handler(ctx: Context) -> None: ...


def test_the_engines_events_of_ended_runs_can_be_listened_to():
    for name in ("jobs/function.failed", "jobs/function.cancelled", "jobs/*", "*", "shop/*"):
        with registered(handler, trigger=TriggerEvent(event=name)):
            pass


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("inngest/function.failed", f"no such event comes. {TOLD} Write “jobs/function.failed”."),
        ("Inngest/anything", f"no such event comes. {TOLD}"),
        ("inngest/*", "no such event comes. The engine's begin with “jobs/”."),
        ("jobs/function.faild", f"no such event comes. {TOLD}"),
        ("jobs/function.invoked", f"no such event comes. {TOLD}"),
        ("jobs/scheduled.timer", f"{TOLD} TriggerCron starts a function by the clock."),
    ],
)
def test_a_trigger_of_an_event_that_never_comes_is_refused(name: str, sentence: str):
    with pytest.raises(InvalidFunction) as refused:
        create_function(fn_id="deaf", trigger=TriggerEvent(event=name))(handler)
    assert f"trigger: event='{name}'" in str(refused.value)
    assert str(refused.value).endswith(sentence)
    assert not catalog.knows("deaf")


@pytest.mark.parametrize("name", ["shop/*", "inngest/function.failed", "jobs/nothing"])
def test_a_cancel_of_an_event_that_never_comes_is_refused(name: str):
    with pytest.raises(InvalidFunction, match="cancel_on: event="):
        create_function(fn_id="deaf", cancel_on=[Cancel(event=name)])(handler)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["shop/*", "inngest/function.failed", "jobs/nothing"])
def test_a_wait_for_an_event_that_never_comes_fails_the_run_at_once(name: str):
    run = ran(lambda ctx: ctx.step.wait_for_event("paid", event=name))
    assert (run.status, run.error["name"]) == ("failed", "InvalidStep")
    assert run.error["message"].startswith(f"step.wait_for_event(“paid”): event='{name}': ")


@pytest.mark.django_db
def test_a_wait_may_be_for_a_failure_of_another_function():
    def fails(ctx: Context) -> None:
        raise RuntimeError

    def waits(ctx: Context) -> Any:
        told = ctx.step.wait_for_event("failed", event="jobs/function.failed")
        return told.data["function_id"] if told else None

    with (
        registered(waits) as waiting,
        registered(fails, fn_id="fails", trigger=TriggerEvent(event="fail"), retries=0),
    ):
        go()
        drain()
        send(Event(name="fail"))
        drain()
        assert the_run(waiting).output == "fails"
