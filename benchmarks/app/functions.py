"""The same work as a function of the engine: five steps, and turns for each listener."""

from __future__ import annotations

from django.conf import settings

from benchmarks.app import work
from jobs.api import Concurrency, Context, TriggerEvent, create_function

EVENT = "bench-song"
STATEMENTS, STEPS = "bench-statements", 5
OUTPUTS, OUTPUTS_OF_A_RUN, NAPS, NAP = "bench-outputs", 990, 5, 1.5
NOTHING, FRESH = "bench-nothing", "bench-fresh"


@create_function(
    fn_id="bench-song",
    trigger=TriggerEvent(event=EVENT),
    concurrency=[Concurrency(limit=1, key="event.data.userId")],
    retries=3,
)
def make_song(ctx: Context) -> dict[str, bool]:
    song_id = ctx.event.data["songId"]
    order = ctx.step.run("check-credits", work.check_credits, song_id)
    if order["credits"] < 1:
        return {"success": False}
    ctx.step.run("set-processing", work.set_processing, song_id, order["started_at"])
    response = ctx.step.fetch(
        "call-endpoint", settings.BENCH_ENDPOINT, method="POST", json=order["body"], timeout=60
    )
    ctx.step.run("update-song", work.update_song, song_id, response.json())
    ctx.step.run("deduct-credits", work.deduct_credits, song_id)
    return {"success": True}


@create_function(fn_id=STATEMENTS, trigger=TriggerEvent(event=STATEMENTS))
def write_statements(ctx: Context) -> None:
    """Steps whose statements are written by hand, each another text."""
    for number in range(STEPS):
        ctx.step.run(f"statement-{number}", work.touch, ctx.event.data["songId"], number)


@create_function(fn_id=OUTPUTS, trigger=TriggerEvent(event=OUTPUTS))
def remember(ctx: Context) -> None:
    """Steps that leave texts of a size, and naps behind them: after each the run is replayed."""
    asked = ctx.event.data
    ctx.step.run("begin", work.touch, asked["songId"], 0)
    for _ in range(asked["outputs"]):
        ctx.step.run("output", work.text, asked["bytes"])
    for _ in range(NAPS):
        ctx.step.sleep("nap", NAP)


@create_function(fn_id=NOTHING, trigger=TriggerEvent(event=NOTHING))
def do_nothing(ctx: Context) -> None:
    """What is measured is its sending."""


@create_function(fn_id=FRESH, trigger=TriggerEvent(event=FRESH))
def start_afresh(ctx: Context) -> None:
    """A run that stands in no line, and notes when it starts."""
    ctx.step.run("begin", work.begin, ctx.event.data["songId"])
