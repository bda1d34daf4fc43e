"""The functions of the trial: every kind of step, with effects that can be counted."""

from __future__ import annotations

import os
import time
import uuid
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection

from jobs.api import (
    Concurrency,
    Context,
    Event,
    NonRetriableError,
    TriggerEvent,
    create_function,
)
from tests.chaos.app import fuzzed  # noqa: F401
from tests.chaos.app.models import Effect
from tests.chaos.terms import KNOWS_STRANGER

ONE_AT_A_TIME = [Concurrency(limit=1, key="event.data.key")]
PATIENT = 20  # retries: kills at random never use them up
CALL_TIMEOUT = 30.0
COUNT = """
INSERT INTO chaos_counter (line, count) VALUES (%s, 1)
    ON CONFLICT (line) DO UPDATE SET count = chaos_counter.count + 1
"""


class Hiccup(Exception):
    """The first try of a step that needs a second one."""


def line_of(ctx: Context) -> str:
    return f"{ctx.event.name}:{ctx.event.data.get('key')}"


def leave_effect(run_id: str, line: str, step: str, pause: float = 0.0) -> str:
    is_atomic = connection.in_atomic_block
    Effect.objects.create(
        run_id=uuid.UUID(run_id),
        line=line,
        step=step,
        monotonic=time.monotonic(),
        is_counted=is_atomic,
    )
    if is_atomic:  # else a death between the two statements would part them
        with connection.cursor() as cursor:
            cursor.execute(COUNT, [line])
    time.sleep(pause)
    return step


def mark(ctx: Context, step: str, pause: float = 0.0, *, atomic: bool = True) -> str:
    return ctx.step.run(step, leave_effect, ctx.run_id, line_of(ctx), step, pause, atomic=atomic)


def call(ctx: Context, step: str) -> dict[str, Any]:
    asked = {"run": ctx.run_id, "line": line_of(ctx), "seconds": ctx.event.data["call"]}
    answer = ctx.step.fetch(
        step, settings.CHAOS_ENDPOINT, method="POST", json=asked, timeout=CALL_TIMEOUT
    )
    told: dict[str, Any] = answer.json()
    return told


@create_function(
    fn_id="chaos-order",
    trigger=TriggerEvent(event="chaos/order"),
    concurrency=ONE_AT_A_TIME,
    retries=PATIENT,
)
def order(ctx: Context) -> dict[str, Any]:
    """Steps, a request, steps."""
    mark(ctx, "reserve")
    mark(ctx, "pack", 0.05)
    answer = call(ctx, "call")
    mark(ctx, "ship", 0.02)
    mark(ctx, "bill")
    return answer


@create_function(
    fn_id="chaos-nap",
    trigger=TriggerEvent(event="chaos/nap"),
    concurrency=ONE_AT_A_TIME,
    retries=PATIENT,
)
def nap(ctx: Context) -> None:
    """A sleep, and a step whose first try leaves an effect and then errs."""
    mark(ctx, "before")
    ctx.step.sleep("nap", 0.3)
    ctx.step.run("again", hiccup, ctx.attempt, ctx.run_id, line_of(ctx), "again")
    mark(ctx, "after")


def hiccup(attempt: int, *effect: str) -> None:
    leave_effect(*effect)
    if attempt == 0:
        raise Hiccup


@create_function(
    fn_id="chaos-fan",
    trigger=TriggerEvent(event="chaos/fan"),
    concurrency=ONE_AT_A_TIME,
    retries=PATIENT,
)
def fan(ctx: Context) -> None:
    """Branches side by side."""

    def asks() -> None:
        call(ctx, "call")
        mark(ctx, "asked")

    def sleeps() -> None:
        ctx.step.sleep("nap", 0.2)
        mark(ctx, "slept", 0.02)

    ctx.step.parallel([asks, sleeps, partial(mark, ctx, "worked", 0.05)])
    mark(ctx, "joined")


@create_function(
    fn_id="chaos-family",
    trigger=TriggerEvent(event="chaos/family"),
    concurrency=ONE_AT_A_TIME,
    retries=PATIENT,
)
def family(ctx: Context) -> Any:
    """Another function's result, and an event that yet another one sends."""
    mark(ctx, "before")
    result = ctx.step.invoke("child", function="chaos-child", data=ctx.event.data)
    ctx.step.send_event("ping", Event(name="chaos/ping", data=ctx.event.data))
    pong = ctx.step.wait_for_event(
        "pong", event="chaos/pong", if_exp="event.data.n == async.data.n", timeout=3600
    )
    if pong is None:
        raise NonRetriableError("The event never came.")
    mark(ctx, "after")
    return result


@create_function(fn_id="chaos-child", retries=PATIENT)
def child(ctx: Context) -> int:
    mark(ctx, "born", 0.02)
    n: int = ctx.event.data["n"]
    return n


@create_function(fn_id="chaos-echo", trigger=TriggerEvent(event="chaos/ping"), retries=PATIENT)
def echo(ctx: Context) -> None:
    mark(ctx, "heard")
    ctx.step.send_event("pong", Event(name="chaos/pong", data=ctx.event.data))


@create_function(
    fn_id="chaos-long",
    trigger=TriggerEvent(event="chaos/long"),
    concurrency=ONE_AT_A_TIME,
    retries=PATIENT,
)
def long(ctx: Context) -> None:
    """A step that outlives its lease, and one that talks to the outside: at least once."""
    mark(ctx, "before")
    mark(ctx, "outlive", ctx.event.data["long"])
    mark(ctx, "outside", 0.3, atomic=False)


def sorry(ctx: Context) -> None:
    mark(ctx, "sorry")


@create_function(
    fn_id="chaos-doomed",
    trigger=TriggerEvent(event="chaos/doomed"),
    concurrency=ONE_AT_A_TIME,
    retries=PATIENT,
    on_failure=sorry,
)
def doomed(ctx: Context) -> None:
    """Fails, and says so once."""
    mark(ctx, "paid")
    ctx.step.run("doom", fail)


def fail() -> None:
    raise NonRetriableError("as it was meant to")


def die() -> None:
    os._exit(13)


@create_function(
    fn_id="chaos-poison",
    trigger=TriggerEvent(event="chaos/poison"),
    concurrency=ONE_AT_A_TIME,
    retries=2,
    on_failure=sorry,
)
def poison(ctx: Context) -> None:
    """Kills its worker every time."""
    mark(ctx, "sip")
    ctx.step.run("drink", die)


@create_function(
    fn_id="chaos-poison-branch",
    trigger=TriggerEvent(event="chaos/poison-branch"),
    concurrency=ONE_AT_A_TIME,
    retries=2,
    on_failure=sorry,
)
def poison_branch(ctx: Context) -> None:
    """The same in a branch."""
    mark(ctx, "sip")
    ctx.step.parallel([partial(mark, ctx, "water"), partial(ctx.step.run, "drink", die)])


@create_function(
    fn_id="chaos-poison-between",
    trigger=TriggerEvent(event="chaos/poison-between"),
    concurrency=ONE_AT_A_TIME,
    retries=2,
    on_failure=sorry,
)
def poison_between(ctx: Context) -> None:
    """The same between two steps."""
    mark(ctx, "sip", atomic=False)
    die()


if os.environ.get(KNOWS_STRANGER):

    @create_function(fn_id="chaos-stranger", trigger=TriggerEvent(event="chaos/stranger"))
    def stranger(ctx: Context) -> None:
        """The clusters have never heard of this one."""
