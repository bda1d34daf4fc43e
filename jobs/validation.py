"""What is wrong with a function's configuration, in sentences, said when it is registered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobs.errors import JobsError
from jobs.options import (
    IF_RUNNING,
    Cancel,
    Concurrency,
    Timeouts,
    TriggerCron,
    TriggerEvent,
)
from jobs.timetable import timetable
from jobs.vocabulary import ASYNC, EVENT, check

if TYPE_CHECKING:
    from jobs.registry import Function

MOST_RETRIES = 20
MOST_CONCURRENCY = 2
MOST_CANCEL_ON = 5
LARGEST_LIMIT = 2**31 - 1
LONGEST = timedelta(days=366).total_seconds()


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
            yield f"trigger={trigger!r:.80}; TriggerEvent and TriggerCron are allowed."
        elif isinstance(trigger, TriggerEvent) and not _is_name(trigger.event):
            yield f"trigger: event={trigger.event!r} is not an event's name."
    yield from _of_its_cron_triggers([t for t in function.triggers if isinstance(t, TriggerCron)])
    if len(function.cancel_on) > MOST_CANCEL_ON:
        yield f"{len(function.cancel_on)} cancel_on entries; at most {MOST_CANCEL_ON} are allowed."
    for cancel in function.cancel_on:
        if not isinstance(cancel, Cancel) or not _is_name(cancel.event):
            yield f"cancel_on={cancel!r:.80}; Cancel(event=…) is allowed."


def _of_its_cron_triggers(triggers: list[TriggerCron]) -> Iterator[str]:
    choices: dict[str, Any] = {}
    for trigger in triggers:
        given = trigger.if_running
        if given not in IF_RUNNING:
            allowed = " and ".join(f"“{choice}”" for choice in IF_RUNNING)
            yield f"TriggerCron(if_running={given!r:.80}); {allowed} are allowed."
        elif choices.setdefault(str(trigger.cron), given) != given:
            yield f"cron={trigger.cron!r} is given twice, with if_running “start” and “skip”."


def _of_its_limits(function: Function) -> Iterator[str]:
    if len(function.concurrency) > MOST_CONCURRENCY:
        count = len(function.concurrency)
        yield f"{count} concurrency entries; at most {MOST_CONCURRENCY} are allowed."
    for entry in function.concurrency:
        if not isinstance(entry, Concurrency):
            yield f"concurrency={entry!r:.80}; a list of Concurrency(limit=…) is allowed."
        elif not (isinstance(entry.limit, int) and 1 <= entry.limit <= LARGEST_LIMIT):
            yield f"Concurrency(limit={entry.limit!r}); a whole number of at least 1 is allowed."


def _of_its_times(function: Function) -> Iterator[str]:
    if not (isinstance(function.retries, int) and 0 <= function.retries <= MOST_RETRIES):
        yield f"retries={function.retries!r}; a whole number from 0 to {MOST_RETRIES} is allowed."
    delays = function.backoff if function.backoff is not None else (0,)
    if not delays or not all(_is_span(delay) for delay in delays):
        yield "backoff must be a list of seconds, none of them negative or above 366 days."
    if not isinstance(function.timeouts, Timeouts):
        yield f"timeouts={function.timeouts!r:.80}; Timeouts(start=…, finish=…) is allowed."
        return
    spans = [function.timeouts.start, function.timeouts.finish]
    spans += [cancel.timeout for cancel in function.cancel_on if isinstance(cancel, Cancel)]
    for span in spans:
        if span is not None and not _is_timeout(span):
            yield (
                "a timeout must be a timedelta or a number of seconds, above 0 and at most 366 "
                f"days, not {span!r:.80}."
            )


def _to_be_read(function: Function) -> Iterator[tuple[Callable[[str], Any], str]]:
    """Every expression and cron line, each with what reads it."""
    yield from ((_of_event, entry.key) for entry in function.concurrency if entry.key)
    for cancel in function.cancel_on:
        if cancel.if_exp is not None:
            yield _of_both, cancel.if_exp
    for trigger in function.triggers:
        if isinstance(trigger, TriggerCron):
            yield timetable, trigger.cron
        elif trigger.if_exp is not None:
            yield _of_event, trigger.if_exp


def _of_event(source: str) -> None:
    check(source, EVENT)


def _of_both(source: str) -> None:
    check(source, EVENT, ASYNC)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip())


def _is_span(delay: Any) -> bool:
    return isinstance(delay, int | float) and 0 <= delay <= LONGEST


def _is_timeout(span: Any) -> bool:
    length = span.total_seconds() if isinstance(span, timedelta) else span
    is_number = isinstance(length, int | float) and not isinstance(length, bool)
    return is_number and 0 < length <= LONGEST
