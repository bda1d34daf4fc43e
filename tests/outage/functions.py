from __future__ import annotations

import os

from jobs.api import Context, TriggerEvent, create_function

URL = f"http://{os.environ['OUTAGE_HOST']}/"


@create_function(fn_id="asks", trigger=TriggerEvent(event="test/ask"), retries=0)
def asks(ctx: Context) -> str:
    return ctx.step.fetch("call", URL, method="POST", data=str(ctx.event.data["n"])).text
