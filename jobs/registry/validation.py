"""All that would fail later in the database, a claim or CEL (types, lengths, unstorable characters,
impossible times), in sentences.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.errors import JobsError
from jobs.lib.durations import MAX_DURATION, NOTHING, duration
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import Unfit, encode, is_name, is_text, size_of
from jobs.lib.numbers import is_whole
from jobs.lib.secrets import names_in
from jobs.lib.shapes.shape import Unsupported
from jobs.lib.signatures import signature_of, takes_one_argument
from jobs.registry import event_data, event_names
from jobs.registry.cron_expression import timetable
from jobs.registry.expression_names import ASYNC, EVENT, check, check_data
from jobs.registry.options import (
    IF_RUNNING,
    Cancel,
    Concurrency,
    Timeouts,
    TriggerCron,
    TriggerEvent,
)

if TYPE_CHECKING:
    from jobs.registry.function import Function

Kinds = Mapping[str, Sequence[Any]]
NAME_LIMIT = 200  # characters of a function's id and name
EXPRESSION_LIMIT = 4_000
CONFIG_LIMIT = 65_536  # bytes of JSON
TRIGGER = "trigger"
MAX_RETRIES = 20
MAX_CONCURRENCY = 2
MAX_CANCEL_ON = 5
LARGEST_LIMIT = 2**31 - 1
SPAN = "a timedelta or a number of seconds, above 0 and at most 366 days"


def problems(function: Function) -> Iterator[str]:
    yield from _of_its_names(function)
    yield from _of_its_handler(function.handler)
    yield from _of_its_triggers(function)
    yield from _of_its_concurrency(function)
    yield from _of_its_cancel_on(function)
    yield from _of_its_times(function)
    yield from _of_its_size(function)
    yield from _of_its_secrets(function)


def _of_its_names(function: Function) -> Iterator[str]:
    fn_id, name = function.fn_id, function.name
    if not is_name(fn_id, NAME_LIMIT) or fn_id != fn_id.strip():
        yield (
            f"its id must be 1 to {NAME_LIMIT} characters without space around them, that can be "
            f"stored, not {_given(fn_id)}."
        )
    elif fn_id in (".", "..") or names_in(fn_id):
        yield "its id must not be a path's “.” or “..”, nor hold a secret."
    if not is_name(name, NAME_LIMIT):
        yield (
            f"its name must be a text of 1 to {NAME_LIMIT} characters that can be stored, not "
            f"{_given(name)}."
        )


def _given(text: Any) -> str:
    long = isinstance(text, str) and len(text) > NAME_LIMIT
    return f"{quoted(text)} ({len(text):,} characters)" if long else quoted(text)


def _of_its_handler(handler: Any) -> Iterator[str]:
    if not callable(handler):
        yield (
            f"its handler is not callable: {quoted(handler)}, of type {type(handler).__name__}. A "
            "function itself is allowed, not its name: def handler(ctx)."
        )
        return
    call = type(handler).__call__
    kinds = (handler, call) if inspect.isroutine(call) else (handler,)
    if any(map(inspect.iscoroutinefunction, kinds)):
        yield "its handler is async; steps are called from plain functions (def, not async def)."
    elif any(inspect.isgeneratorfunction(k) or inspect.isasyncgenfunction(k) for k in kinds):
        yield "its handler is a generator; a function returns its output and does not yield."
    elif not takes_one_argument(handler):
        name = _name_of(handler)
        yield (
            f"its handler must take one argument, the context: def {name}(ctx), not "
            f"def {name}{signature_of(handler)}."
        )


def _name_of(handler: Any) -> str:
    name = getattr(handler, "__name__", "")
    return name if isinstance(name, str) and name.isidentifier() else "handler"


def _of_its_triggers(function: Function) -> Iterator[str]:
    for trigger in function.triggers:
        if isinstance(trigger, TriggerEvent):
            kinds = {EVENT: event_data.kinds_of([trigger])}
            yield from _of_an_event(TRIGGER, trigger.event, trigger.if_exp, [EVENT], kinds)
        elif isinstance(trigger, TriggerCron):
            yield from _said_by(timetable, trigger.cron)
        else:
            fits = event_names.is_event_name(trigger)
            meant = f" Write TriggerEvent(event={quoted(trigger)})." if fits else ""
            yield f"trigger={quoted(trigger)}; TriggerEvent and TriggerCron are allowed.{meant}"
    yield from event_data.problems(function.triggers, function.handler)
    yield from _of_its_cron_triggers([t for t in function.triggers if isinstance(t, TriggerCron)])


def _of_its_cron_triggers(triggers: list[TriggerCron]) -> Iterator[str]:
    choices: dict[str, Any] = {}
    for trigger in triggers:
        given = trigger.if_running
        if given not in IF_RUNNING:
            allowed = " and ".join(f"“{choice}”" for choice in IF_RUNNING)
            yield f"TriggerCron(if_running={quoted(given)}); {allowed} are allowed."
        elif choices.setdefault(str(trigger.cron), given) != given:
            yield f"cron={quoted(trigger.cron)} is given twice, with if_running “start” and “skip”."


def _of_an_event(
    where: str, name: Any, condition: Any, known: Sequence[str], kinds: Kinds
) -> Iterator[str]:
    problem = event_names.problem_of(name, is_pattern=where == TRIGGER)
    if problem:
        yield f"{where}: {problem}"
    if condition is not None:
        yield from expression_problems(condition, *known, kinds=kinds)


def _of_its_concurrency(function: Function) -> Iterator[str]:
    if len(function.concurrency) > MAX_CONCURRENCY:
        count = len(function.concurrency)
        yield f"{count} concurrency entries; at most {MAX_CONCURRENCY} are allowed."
    for entry in function.concurrency:
        if not isinstance(entry, Concurrency):
            yield f"concurrency={quoted(entry)}; a list of Concurrency(limit=…) is allowed."
        elif not _is_between(entry.limit, 1, LARGEST_LIMIT):
            given = quoted(entry.limit)
            yield f"Concurrency(limit={given}); a whole number of at least 1 is allowed."
        elif entry.key is not None:
            kinds = {EVENT: event_data.kinds_of(function.triggers)}
            yield from expression_problems(entry.key, EVENT, kinds=kinds)


def _of_its_cancel_on(function: Function) -> Iterator[str]:
    if len(function.cancel_on) > MAX_CANCEL_ON:
        yield f"{len(function.cancel_on)} cancel_on entries; at most {MAX_CANCEL_ON} are allowed."
    for cancel in function.cancel_on:
        if not isinstance(cancel, Cancel):
            yield f"cancel_on={quoted(cancel)}; Cancel(event=…) is allowed."
            continue
        kinds = {EVENT: event_data.kinds_of(function.triggers)}
        yield from _of_an_event("cancel_on", cancel.event, cancel.if_exp, [EVENT, ASYNC], kinds)
        yield from _of_a_span("Cancel(timeout=…)", cancel.timeout)


def _of_its_times(function: Function) -> Iterator[str]:
    if not isinstance(function.resumable, bool):
        yield f"resumable={quoted(function.resumable)}; True and False are allowed."
    if not _is_between(function.retries, 0, MAX_RETRIES):
        given = quoted(function.retries)
        yield f"retries={given}; a whole number from 0 to {MAX_RETRIES} is allowed."
    delays = function.backoff
    if delays is not None and not (
        isinstance(delays, tuple) and delays and all(map(_is_delay, delays))
    ):
        yield (
            f"backoff={quoted(delays)}; backoff must be a list of seconds or timedeltas, none of "
            "them negative or more than 366 days."
        )
    timeouts = function.timeouts
    if not isinstance(timeouts, Timeouts):
        yield f"timeouts={quoted(timeouts)}; Timeouts(start=…, finish=…) is allowed."
        return
    yield from _of_a_span("Timeouts(start=…)", timeouts.start)
    yield from _of_a_span("Timeouts(finish=…)", timeouts.finish)


def _of_a_span(where: str, span: Any) -> Iterator[str]:
    if span is not None and not NOTHING < (duration(span) or NOTHING) <= MAX_DURATION:
        yield f"{where}: a timeout must be {SPAN}, not {quoted(span)}."


def _is_delay(delay: Any) -> bool:
    span = duration(delay)
    return span is not None and NOTHING <= span <= MAX_DURATION


def _is_between(value: Any, least: int, most: int) -> bool:
    return is_whole(value) and least <= value <= most


def _of_its_size(function: Function) -> Iterator[str]:
    """Like `_of_its_secrets`, asked when each part is sound."""
    try:
        size = size_of(encode(function.config()))
    except Unfit as unfit:
        yield f"its configuration {unfit}"
        return
    if size > CONFIG_LIMIT:
        yield f"its configuration has {size:,} bytes; at most {CONFIG_LIMIT:,} are allowed."


def _of_its_secrets(function: Function) -> Iterator[str]:
    for secret in names_in(encode([function.fn_id, function.name, function.config()])):
        yield f"its configuration, which is kept in a row, holds the value of settings.{secret}."


def expression_problems(source: Any, *known: str, kinds: Kinds | None = None) -> Iterator[str]:
    """`kinds` are the types of a variable's data, if known."""
    if not isinstance(source, str):
        yield f"an expression must be a text, not {quoted(source)}."
    elif len(source) > EXPRESSION_LIMIT:
        count = f"{len(source):,} characters"
        yield f"an expression has {count}; at most {EXPRESSION_LIMIT:,} are allowed."
    elif not is_text(source):
        yield f"the expression {quoted(source)} holds a NUL or a lone surrogate."
    else:
        yield from _said_by(lambda text: _check(text, known, kinds or {}), source)


def _check(source: str, known: tuple[str, ...], kinds: Kinds) -> None:
    check(source, *known)
    with contextlib.suppress(Unsupported):  # told of the trigger itself
        check_data(source, kinds)


def _said_by(read: Any, source: Any) -> Iterator[str]:
    try:
        read(source)
    except JobsError as error:
        yield str(error)
