"""One function for each place where an author's code stands: it does what its event names."""

from __future__ import annotations

from django.db import transaction

from jobs.api import Concurrency, Context, TriggerEvent, create_function
from tests.catalogue.bodies import DEADLY, ENDING, HARMLESS, SPOILING
from tests.catalogue.errors import RAISING

BODIES = ENDING | HARMLESS | DEADLY | SPOILING
RETRIES = 1


@create_function(fn_id="raise-in-a-step", trigger=TriggerEvent(event="test/step"), retries=RETRIES)
def in_a_step(ctx: Context) -> None:
    ctx.step.run("raises", RAISING[ctx.event.data["what"]], atomic=ctx.event.data["atomic"])


@create_function(fn_id="raise-between", trigger=TriggerEvent(event="test/between"), retries=RETRIES)
def between_steps(ctx: Context) -> None:
    ctx.step.run("before", int)
    RAISING[ctx.event.data["what"]]()


@create_function(fn_id="do-in-a-step", trigger=TriggerEvent(event="test/do"), retries=RETRIES)
def do(ctx: Context) -> None:
    body, atomic = BODIES[ctx.event.data["what"]]
    ctx.step.run("does", body, atomic=atomic)


@create_function(fn_id="innocent", trigger=TriggerEvent(event="test/innocent"), retries=RETRIES)
def innocent(ctx: Context) -> str:
    ctx.step.run("one", int)
    ctx.step.sleep("nap", 0.01)
    return ctx.step.run("two", str, "fine")


@create_function(
    fn_id="callback-in-a-line",
    trigger=TriggerEvent(event="test/line"),
    concurrency=Concurrency(limit=1),
    retries=RETRIES,
)
def callback_in_a_line(ctx: Context) -> None:
    ctx.step.run("leaves", transaction.on_commit, lambda: 1 / 0)
