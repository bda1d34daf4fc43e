"""Functions whose steps start processes and copies of their worker."""

from __future__ import annotations

import os
import time
from typing import Any

from jobs.api import Context, TriggerEvent, create_function
from tests.children import ways


@create_function(fn_id="ending", trigger=TriggerEvent(event="test/ending"), retries=0)
def ending(ctx: Context) -> dict[str, Any]:
    """Each in a step of its own; what went wrong instead of a 1."""
    told: dict[str, Any] = {}
    for name, start in ways.ENDING.items():
        told[name] = ctx.step.run(name, start)
    return told


@create_function(fn_id="copies", trigger=TriggerEvent(event="test/copies"), retries=0)
def copies(ctx: Context) -> dict[str, Any]:
    """Copies of the worker that leave a body, and the function, in every way."""
    codes: dict[str, int] = {}

    def keep(name: str, pid: int) -> None:
        codes[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    for atomic in (True, False):
        for name, leave in ways.LEAVING.items():
            step = f"{name}, {'atomic' if atomic else 'not atomic'}"
            keep(step, ctx.step.run(step, ways.copy_that, leave, atomic=atomic))
    pid = os.fork()
    if not pid:
        ctx.step.run("a copy's own", print, "a copy's")
    keep("a step of a copy", pid)
    pid = os.fork()
    if not pid:
        return {"a copy": "returns"}
    keep("the function returned", pid)
    return codes


@create_function(fn_id="endless", trigger=TriggerEvent(event="test/endless"), retries=0)
def endless(ctx: Context) -> None:
    """Starts all that does not end, says what is there, and holds its worker if asked for."""

    def start() -> list[int]:
        for way in ways.ENDLESS.values():
            way()
        return ways.start_in_the_background()

    background = ctx.step.run("start", start, atomic=False)
    time.sleep(1)  # what was started has started its own
    ctx.step.run("say", lambda: ways.started() | {"background": background}, atomic=False)
    if ctx.event.data["holds"]:
        ctx.step.run("hold", time.sleep, ways.FOREVER, atomic=False)
