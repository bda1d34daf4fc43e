from __future__ import annotations

from jobs.api import Context, TriggerEvent, create_function


@create_function(fn_id="listens", trigger=TriggerEvent(event="test/listen"))
def listens(ctx: Context) -> str:
    return "heard"


@create_function(fn_id="asks", trigger=TriggerEvent(event="test/ask"))
def asks(ctx: Context) -> str:
    told: str = ctx.step.invoke("ask", function="listens")
    return told
