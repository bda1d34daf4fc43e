"""The engine's own functions."""

from __future__ import annotations

from collections import Counter
from typing import Any

from jobs.api import Concurrency, Context, TriggerCron, create_function
from jobs.control import bulk, bulk_batch, cancellation_events, forgetting
from jobs.control import cancel_on as control_cancel_on
from jobs.events import fan_out
from jobs.maintenance import retention

MAX_ROUNDS = 200  # per run, each a step and a rest; then another run goes on


@create_function(
    fn_id=retention.FUNCTION,
    name="Delete what ended long ago",
    trigger=TriggerCron(cron="17 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def delete_history(ctx: Context) -> dict[str, int]:
    """A step per round, not atomic: batches commit by themselves."""
    deleted: Counter[str] = Counter(runs=0, events=0, clusters=0)
    after = since = ""
    for _ in range(MAX_ROUNDS):
        done = ctx.step.run("forget", retention.delete_ended, after, since=since, atomic=False)
        deleted.update(runs=done["runs"], events=done["events"], clusters=done["clusters"])
        after, since = done["after"], done.get("since", "")  # an earlier version's has no time
        if not done["more"]:
            return dict(deleted)
        if done.get("rest"):
            ctx.step.sleep("rest", done["rest"])
    ctx.step.run("go-on", retention.go_on)
    return dict(deleted)


@create_function(fn_id=forgetting.FUNCTION, name="Forget the words of events")
def forget_words(ctx: Context) -> dict[str, int]:
    """For `jobs.api.forget`: a step per round, not atomic, then a rest, until all that came of the
    events has ended and is forgotten.
    """
    totals: Counter[str] = Counter(runs=0, events=0)
    left, idle = ctx.event.data["events"], 0
    for _ in range(MAX_ROUNDS):
        done = ctx.step.run("forget", forgetting.round_of, left, idle, atomic=False)
        totals.update(runs=done["runs"], events=done["events"])
        left, idle = done["left"], 0 if done["runs"] + done["events"] else idle + 1
        if not left:
            return dict(totals)
        if done["rest"]:
            ctx.step.sleep("rest", done["rest"])
    ctx.step.run("go-on", forgetting.go_on, left)
    return dict(totals)


@create_function(fn_id=fan_out.CANCELLER, name="Cancel runs by an event")
def cancel_on(ctx: Context) -> int:
    """For all functions' `cancel_on`: each event named there starts it."""
    cancelled, after, more = 0, "", True
    while more:
        done = ctx.step.run(
            "cancel", control_cancel_on.batch, ctx.event.as_json(), after, ctx.run_id, atomic=False
        )
        cancelled, after, more = cancelled + done["cancelled"], done["after"], done["more"]
        if done.get("reason"):
            ctx.logger.warning("Not all was cancelled. %s", done["reason"])
    return cancelled


@create_function(
    fn_id=cancellation_events.FUNCTION,
    name="Tell of runs that were cancelled together",
    concurrency=[Concurrency(limit=1)],
)
def tell_of_cancellations(ctx: Context) -> int:
    """Behind the bulk actions that are at work; a step, mostly, then a rest."""
    for _ in range(cancellation_events.MAX_WAITS):
        if not ctx.step.run("look", cancellation_events.is_cancelling):
            break
        ctx.step.sleep("wait", cancellation_events.WAIT)
    at = told = 0
    while at < len(ctx.event.data["runs"]):
        done = ctx.step.run("tell", cancellation_events.tell, ctx.event.data, at)
        at, told = done["at"], told + done["told"]
        if done["rest"]:
            ctx.step.sleep("rest", done["rest"])
    return told


@create_function(fn_id=bulk.FUNCTION, name="Bulk action")
def bulk_action(ctx: Context) -> dict[str, Any]:
    """For `jobs.api.bulk`: each batch is a step that reports progress. Beyond a run's limit of
    steps, the function invokes itself.
    """
    asked = {"after": "", "own": ctx.run_id, "invoked": False} | ctx.event.data
    bulk.refuse_unknown(asked)
    totals: dict[str, Any] = {"done": 0, "refused": 0}
    after = asked["after"]
    for _ in range(bulk_batch.MAX_BATCHES):
        done = ctx.step.run(
            "batch",
            bulk_batch.batch,
            asked["action"],
            asked["filter"],
            after,
            asked["why"],
            asked["own"],
            asked["invoked"],
            atomic=False,
        )
        _add(totals, done)
        after = done["after"]
        if not done["more"]:
            return totals
    rest = asked | {"after": after}
    _add(totals, ctx.step.invoke("rest", function=bulk.FUNCTION, data=rest))
    return totals


def _add(totals: dict[str, Any], done: dict[str, Any]) -> None:
    totals["done"] += done["done"]
    totals["refused"] += done["refused"]
    if done.get("left_out"):  # an earlier version's has none
        totals["left_out"] = totals.get("left_out", 0) + done["left_out"]
    if done.get("reason"):
        totals.setdefault("reason", done["reason"])
