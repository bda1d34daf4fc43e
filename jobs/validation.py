"""What is wrong with a function's configuration, in sentences, said when it is registered."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from jobs.errors import JobsError
from jobs.excerpts import quoted
from jobs.expressions import compiled
from jobs.options import Cancel, Concurrency, TriggerCron, TriggerEvent, seconds
from jobs.secrets import names_in
from jobs.timetable import timetable

if TYPE_CHECKING:
    from jobs.registry import Function

MOST_RETRIES = 20
MOST_CONCURRENCY = 2
MOST_CANCEL_ON = 5
LARGEST_LIMIT = 2**31 - 1


def problems(function: Function) -> Iterator[str]:
    """Each problem as a sentence; none if the function can be used."""
    yield from _of_itself(function)
    yield from _of_its_triggers(function)
    yield from _of_its_limits(function)
    yield from _of_its_times(function)
    for read, source in _to_be_read(function):
        try:
            read(source)
        except JobsError as error:
            yield str(error)
    for name in names_in(json.dumps([function.fn_id, function.config()], default=str)):
        yield f"its configuration, which is kept in a row, holds the value of settings.{name}."


def _of_itself(function: Function) -> Iterator[str]:
    fn_id = function.fn_id
    if not isinstance(fn_id, str) or not 0 < len(fn_id) <= 200 or fn_id != fn_id.strip():
        yield "its id must be 1 to 200 characters without space around them."
    if not callable(function.handler):
        yield "its handler is not callable."
    if inspect.iscoroutinefunction(function.handler):
        yield "its handler is async; steps are called from plain functions (def, not async def)."


def _of_its_triggers(function: Function) -> Iterator[str]:
    for trigger in function.triggers:
        if not isinstance(trigger, TriggerEvent | TriggerCron):
            yield f"trigger={quoted(trigger)}; TriggerEvent and TriggerCron are allowed."
        elif isinstance(trigger, TriggerEvent) and not _is_name(trigger.event):
            yield f"trigger: event={trigger.event!r} is not an event's name."
    if len(function.cancel_on) > MOST_CANCEL_ON:
        yield f"{len(function.cancel_on)} cancel_on entries; at most {MOST_CANCEL_ON} are allowed."
    for cancel in function.cancel_on:
        if not isinstance(cancel, Cancel) or not _is_name(cancel.event):
            yield f"cancel_on={quoted(cancel)}; Cancel(event=…) is allowed."


def _of_its_limits(function: Function) -> Iterator[str]:
    if len(function.concurrency) > MOST_CONCURRENCY:
        count = len(function.concurrency)
        yield f"{count} concurrency entries; at most {MOST_CONCURRENCY} are allowed."
    for entry in function.concurrency:
        if not isinstance(entry, Concurrency):
            yield f"concurrency={quoted(entry)}; a list of Concurrency(limit=…) is allowed."
        elif not (isinstance(entry.limit, int) and 1 <= entry.limit <= LARGEST_LIMIT):
            yield f"Concurrency(limit={entry.limit!r}); a whole number of at least 1 is allowed."


def _of_its_times(function: Function) -> Iterator[str]:
    if not (isinstance(function.retries, int) and 0 <= function.retries <= MOST_RETRIES):
        yield f"retries={function.retries!r}; a whole number from 0 to {MOST_RETRIES} is allowed."
    delays = function.backoff if function.backoff is not None else (0,)
    if not delays or not all(_is_span(delay) for delay in delays):
        yield "backoff must be a list of seconds, none of them negative or without end."
    spans = [function.timeouts.start, function.timeouts.finish]
    spans += [cancel.timeout for cancel in function.cancel_on if isinstance(cancel, Cancel)]
    if not all(span is None or seconds(span) > 0 for span in spans):
        yield "a timeout must be a timedelta or a number of seconds above 0."


def _to_be_read(function: Function) -> Iterator[tuple[Callable[[str], Any], str]]:
    """Every expression and cron line, each with what reads it."""
    yield from ((compiled, entry.key) for entry in function.concurrency if entry.key)
    yield from ((compiled, cancel.if_exp) for cancel in function.cancel_on if cancel.if_exp)
    for trigger in function.triggers:
        if isinstance(trigger, TriggerCron):
            yield timetable, trigger.cron
        elif trigger.if_exp:
            yield compiled, trigger.if_exp


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip())


def _is_span(delay: Any) -> bool:
    return isinstance(delay, int | float) and 0 <= delay < math.inf
