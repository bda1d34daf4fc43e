"""The vocabulary of the tests about forgetting: a word, where it is, and functions that say it."""

from __future__ import annotations

from typing import Any

from jobs.api import Context
from tests.support.canary import rows

WORD = "Zebrafink"


def holding() -> set[str]:
    """The tables that still hold the word."""
    return {table for table, row in rows() if WORD.lower() in row.lower()}


def child(ctx: Context) -> Any:
    return ctx.step.run("echo", lambda: [ctx.event.data["word"]])


def sleeper(ctx: Context) -> Any:
    ctx.step.run("before", lambda: ctx.event.data["word"])
    ctx.step.sleep("long", 3_600)
    return ctx.step.run("after", lambda: ctx.event.data["word"])
