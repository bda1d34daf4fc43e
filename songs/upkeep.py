"""What the site does by itself: waveforms of older songs, the end of a deletion, the check of the
ledger, and what has expired.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs.api import (
    Concurrency,
    Context,
    NonRetriableError,
    TriggerCron,
    TriggerEvent,
    create_function,
)
from songs import deletion, ledger_check, waveform
from songs.accounts import clearing
from songs.event_songs import song_of
from songs.limits import clearing as limits_clearing
from songs.models import Song

A_RUN = 100  # waveforms that one run draws
MAX_BATCHES = 100


@create_function(
    fn_id="draw-waveform",
    name="Draw waveform",
    trigger=TriggerEvent(event=waveform.EVENT),
)
def draw_waveform(ctx: Context) -> dict[str, Any]:
    """Draw the waveform of a song that has arrived."""
    return dict(ctx.step.run("draw", waveform.draw, song_of(ctx.event.data), atomic=False))


@create_function(
    fn_id="draw-waveforms",
    name="Draw waveforms",
    trigger=TriggerCron(cron="*/10 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def draw_waveforms(ctx: Context) -> dict[str, int]:
    """Draw those that songs of an earlier version lack, 100 a run, a step each."""
    waiting = ctx.step.run("find", lambda: [str(pk) for pk in waveform.undrawn(A_RUN)])
    for pk in waiting:
        song = Song.objects.filter(pk=pk)
        ctx.step.run(f"draw-{pk}", waveform.draw, song, atomic=False)
    return {"drawn": len(waiting)}


@create_function(
    fn_id="delete-song",
    name="Delete song",
    trigger=TriggerEvent(event=deletion.EVENT),
)
def delete_song(ctx: Context) -> dict[str, Any]:
    """Delete a song for good when its listener can no longer undo that."""
    ctx.step.sleep("a-minute-to-undo", deletion.UNDO)
    song, which = song_of(ctx.event.data), ctx.event.data.get("deletedAt")
    return dict(ctx.step.run("delete", deletion.delete_for_good, song, which))


@create_function(
    fn_id="check-ledger",
    name="Check the ledger",
    trigger=TriggerCron(cron="7 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def check_ledger(ctx: Context) -> str:
    """A ledger that is wrong fails the run, so that it is among the failures of the panel."""
    found = ctx.step.run("check", compare_sums)
    if not found["is_right"]:
        raise NonRetriableError(found["words"])
    return str(found["words"])


def compare_sums() -> dict[str, Any]:
    found = ledger_check.check()
    return {"is_right": found.is_right, "words": ledger_check.in_words(found)}


@create_function(
    fn_id="clear-limits",
    name="Clear the counts of limits",
    trigger=TriggerCron(cron="23 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def clear_limits(ctx: Context) -> dict[str, int]:
    """Windows that have ended, a batch a step."""
    removed = 0
    while batch := ctx.step.run("clear", limits_clearing.clear):
        removed += batch
        if batch < limits_clearing.BATCH:
            break
    return {"removed": removed}


@create_function(
    fn_id="clear-expired",
    name="Clear what has expired",
    trigger=TriggerCron(cron="37 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def clear_expired(ctx: Context) -> dict[str, int]:
    """Sessions, the entries of listeners' lists of sessions, and counts: a batch a step, up to a
    hundred of each. The next hour takes what is left."""
    kinds = {
        "sessions": clearing.clear_sessions,
        "entries": clearing.clear_lists_of_sessions,
        "counts": clearing.clear_cache,
    }
    return {name: clear_all(ctx, name, clear) for name, clear in kinds.items()}


def clear_all(ctx: Context, name: str, clear: Callable[[], int]) -> int:
    cleared = 0
    for _ in range(MAX_BATCHES):
        batch: int = ctx.step.run(f"clear-{name}", clear)
        cleared += batch
        if batch < clearing.BATCH:
            break
    return cleared
