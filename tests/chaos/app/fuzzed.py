"""What the fuzzer at the door meets: functions that take whatever is sent, and functions of
whatever options. The clusters and the trial draw the same ones, from the same number."""

from __future__ import annotations

import os
from typing import Any

from jobs.api import Concurrency, Context, TriggerEvent, create_function
from tests.chaos.draw import drawn
from tests.chaos.terms import FUZZ_SEED, FUZZED_FUNCTIONS
from tests.support import fuzz


def apology(ctx: Context) -> Any:
    return ctx.event.data["event"]["data"]


@create_function(
    fn_id="fuzz-keeps",
    trigger=TriggerEvent(event="fuzz/*"),
    concurrency=[Concurrency(limit=20, key="event.data")],
    retries=0,
)
def keeps(ctx: Context) -> Any:
    """Remembers what it gets, goes on from a memory of it, and returns it."""
    kept = ctx.step.run("keep", lambda: ctx.event.data)
    ctx.step.sleep("nap", 0.1)
    return kept


@create_function(
    fn_id="fuzz-fails",
    trigger=TriggerEvent(event="fuzz/*", if_exp="event.id != event.data"),
    retries=0,
    on_failure=apology,
)
def fails(ctx: Context) -> None:
    ctx.step.run("fail", int, "x")


def make_fuzzed(number: int, count: int) -> None:
    """Those that cannot be used are set aside, since Django is still starting."""
    for index, options in enumerate(drawn(fuzz.OPTIONS, number, count)):
        create_function(**{"fn_id": f"fuzzed-{index}", **options})(lambda ctx: "fine")


if os.environ.get(FUZZ_SEED):
    make_fuzzed(int(os.environ[FUZZ_SEED]), FUZZED_FUNCTIONS)
