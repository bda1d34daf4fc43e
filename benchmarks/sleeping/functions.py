"""A function that sleeps, and says by its attempt when it woke."""

from __future__ import annotations

from datetime import timedelta

from jobs.api import Context, TriggerEvent, create_function

FN_ID, EVENT, WOKE = "bench-sleeper", "bench-sleep", "woke"


@create_function(fn_id=FN_ID, trigger=TriggerEvent(event=EVENT))
def sleeper(ctx: Context) -> None:
    ctx.step.sleep("nap", timedelta(days=1))
    ctx.step.run(WOKE, int)
