"""Tiny named functions: the vocabulary of the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs import registry
from jobs.api import Context, TriggerEvent, create_function
from jobs.registry import Function


@contextmanager
def registered(handler: Any, **options: Any) -> Iterator[Function]:
    """A function that exists for the length of a block; triggered by “test/go” unless said."""
    options.setdefault("fn_id", "test-function")
    options.setdefault("trigger", TriggerEvent(event="test/go"))
    options.setdefault("backoff", [1])
    function = create_function(**options)(handler)
    try:
        yield function
    finally:
        registry.unregister(function.fn_id)


class Diary:
    """What was done, in its order: steps of tests write here."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def write(self, entry: str) -> str:
        self.entries.append(entry)
        return entry

    def fail_times(self, entry: str, times: int, error: Exception | None = None) -> str:
        """Fails the first `times` times."""
        self.write(entry)
        if self.entries.count(entry) <= times:
            raise error or ValueError(f"{entry} number {self.entries.count(entry)}")
        return entry


def three_steps(diary: Diary) -> Any:
    def handler(ctx: Context) -> dict[str, str]:
        first = ctx.step.run("first", diary.write, "first")
        second = ctx.step.run("second", diary.write, "second")
        third = ctx.step.run("third", diary.write, "third")
        return {"said": f"{first} {second} {third}"}

    return handler
