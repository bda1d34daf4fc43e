"""A function that sleeps, and says by its attempt when it woke."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.sleeping import EVENT, FN_ID, PARKED, WOKE
from jobs.api import Concurrency, Context, TriggerEvent, create_function


@create_function(fn_id=FN_ID, trigger=TriggerEvent(event=EVENT))
def sleeper(ctx: Context) -> None:
    ctx.step.sleep("nap", timedelta(days=1))
    ctx.step.run(WOKE, int)


@create_function(
    fn_id=PARKED,
    trigger=TriggerEvent(event=PARKED),
    concurrency=[Concurrency(limit=1, key="event.data.userId")],
)
def parked(ctx: Context) -> None:
    """The first of each line sleeps, and those behind it are queued."""
    ctx.step.sleep("nap", timedelta(days=1))
