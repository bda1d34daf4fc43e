"""Functions as code: how they are declared, and how they are found.

`create_function` is used as a decorator in an app's `functions.py`, which is discovered at start
as `admin.py` is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from django.db.models.functions import Now

from jobs.errors import InvalidFunction, UnknownFunction
from jobs.expressions import compiled
from jobs.models import RegisteredFunction
from jobs.timetable import timetable

Handler = Callable[..., Any]
DEFAULT_RETRIES = 4
ENGINE_PREFIX = "jobs/"  # names of the engine's own events
MOST_RETRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent:
    """Start a run for each event of this name (`*` stands for any characters) for which `if_exp`,
    a CEL expression over `event`, is true."""

    event: str
    if_exp: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """At most `limit` unfinished started runs that share the value of `key`, a CEL expression
    over `event`; without a key, of the function as a whole."""

    limit: int
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCron:
    """Start a run at each tick of a cron line: five fields, in UTC unless a time zone stands
    before them, `TZ=Europe/Paris 0 12 * * 5` (see timetable.py)."""

    cron: str


Trigger = TriggerEvent | TriggerCron


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel the unfinished runs whose own event came before an event of this name, if `if_exp`
    (over `event`, the run's, and `async`, the cancelling one) is true; with `timeout`, only
    those that are not older than that."""

    event: str
    if_exp: str | None = None
    timeout: timedelta | float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Cancel a run that has not started `start` after it was accepted, or not ended `finish`
    after it started (timedeltas or seconds). A step that is running is not interrupted."""

    start: timedelta | float | None = None
    finish: timedelta | float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What is registered under an id. Calling it calls the handler, as plain Python would."""

    fn_id: str
    name: str
    handler: Handler
    triggers: tuple[Trigger, ...] = ()
    concurrency: tuple[Concurrency, ...] = ()
    retries: int = DEFAULT_RETRIES
    backoff: tuple[float, ...] | None = None  # seconds; None: the setting, else Inngest's table
    timeouts: Timeouts = Timeouts()
    cancel_on: tuple[Cancel, ...] = ()
    hooks: dict[str, str] = field(default_factory=dict)  # "failure" | "cancel" | "retry" → fn_id

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.handler(*args, **kwargs)

    @property
    def place(self) -> str:
        """Where it is written, for messages."""
        code = getattr(inspect.unwrap(self.handler), "__code__", None)
        line = f":{code.co_firstlineno}" if code else ""
        return f"{self.handler.__module__}.{self.handler.__qualname__}{line}"

    def config(self) -> dict[str, Any]:
        """What the database is told of it, for operators."""
        return {
            "name": self.name,
            "module": self.handler.__module__,
            "triggers": [_trigger_config(trigger) for trigger in self.triggers],
            "concurrency": [{"limit": c.limit, "key": c.key} for c in self.concurrency],
            "retries": self.retries,
            "timeouts": {
                name: seconds(value)
                for name in ("start", "finish")
                if (value := getattr(self.timeouts, name)) is not None
            },
            "cancel_on": [{"event": c.event, "if": c.if_exp} for c in self.cancel_on],
            **{f"on_{moment}": fn_id for moment, fn_id in self.hooks.items()},
        }


_functions: dict[str, Function] = {}


def create_function(
    *,
    fn_id: str,
    trigger: Trigger | Sequence[Trigger] = (),
    name: str = "",
    concurrency: Sequence[Concurrency] = (),
    retries: int = DEFAULT_RETRIES,
    backoff: Sequence[float] | None = None,
    timeouts: Timeouts | None = None,
    cancel_on: Sequence[Cancel] = (),
    on_failure: Handler | None = None,
    on_cancel: Handler | None = None,
    on_retry: Handler | None = None,
) -> Callable[[Handler], Function]:
    """Register the decorated handler, `def f(ctx: Context) -> JSON`, as a durable function.

    `retries=3` is four attempts of each step (0–20). `backoff` is a list of seconds before retry
    1, 2, …. `on_failure`, `on_cancel` and `on_retry` become functions of their own
    (`<fn_id>-failure`, …) whose event tells of the run: `data["error"]`, `data["event"]`,
    `data["run_id"]`, `data["function_id"]`.
    """
    triggers = tuple(trigger) if isinstance(trigger, Sequence) else (trigger,)
    hooks = {"failure": on_failure, "cancel": on_cancel, "retry": on_retry}

    def decorate(handler: Handler) -> Function:
        function = Function(
            fn_id=fn_id,
            name=name or fn_id,
            handler=handler,
            triggers=triggers,
            concurrency=tuple(concurrency),
            retries=retries,
            backoff=tuple(backoff) if backoff is not None else None,
            timeouts=timeouts or Timeouts(),
            cancel_on=tuple(cancel_on),
            hooks={moment: f"{fn_id}-{moment}" for moment, hook in hooks.items() if hook},
        )
        register(function)
        for moment, hook in hooks.items():
            if hook:
                register(_hook(function, moment, hook))
        return function

    return decorate


def _hook(function: Function, moment: str, handler: Handler) -> Function:
    return Function(
        fn_id=f"{function.fn_id}-{moment}",
        name=f"{function.name} ({moment})",
        handler=handler,
        retries=function.retries,
        backoff=function.backoff,
    )


def register(function: Function) -> None:
    """Make a function known; the same code may come again (an autoreload), other code may not."""
    _validate(function)
    known = _functions.get(function.fn_id)
    if known is not None and known.place != function.place:
        raise InvalidFunction(
            f"Two functions have the id “{function.fn_id}”: {known.place} and {function.place}."
        )
    _functions[function.fn_id] = function


def unregister(fn_id: str) -> None:
    """Forget a function and its hooks: as a deployment does that no longer has it."""
    function = _functions.pop(fn_id, None)
    for hook in function.hooks.values() if function else ():
        _functions.pop(hook, None)


def get(fn_id: str) -> Function:
    try:
        return _functions[fn_id]
    except KeyError:
        raise UnknownFunction(f"No function “{fn_id}” is registered in this process.") from None


def cancelled_by(event_name: str) -> list[tuple[Function, Cancel]]:
    """The functions whose runs an event of this name may cancel."""
    return [
        (function, cancel)
        for function in _functions.values()
        for cancel in function.cancel_on
        if cancel.event == event_name
    ]


def seconds(span: timedelta | float) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else float(span)


def hook_of(fn_id: str, moment: str) -> Function | None:
    """The function that is to start when a run of this one fails, is cancelled or is retried."""
    function = _functions.get(fn_id)
    return _functions.get(function.hooks.get(moment, "")) if function else None


def knows(fn_id: str) -> bool:
    return fn_id in _functions


def all_functions() -> Iterable[Function]:
    return list(_functions.values())


def triggered_by(event_name: str) -> list[tuple[Function, list[TriggerEvent]]]:
    """The functions that listen to this event name, each with the triggers that match."""
    found = []
    for function in _functions.values():
        matching = [t for t in event_triggers(function) if _matches(t, event_name)]
        if matching:
            found.append((function, matching))
    return found


def event_triggers(function: Function) -> list[TriggerEvent]:
    return [trigger for trigger in function.triggers if isinstance(trigger, TriggerEvent)]


def cron_lines(function: Function) -> list[str]:
    return [trigger.cron for trigger in function.triggers if isinstance(trigger, TriggerCron)]


def _matches(trigger: TriggerEvent, event_name: str) -> bool:
    if "*" in trigger.event:
        if event_name.startswith(ENGINE_PREFIX) and not trigger.event.startswith(ENGINE_PREFIX):
            return False  # "*" is everything of the product's, not the engine's own failures
        return fnmatchcase(event_name, trigger.event.replace("[", "[[]"))
    return trigger.event == event_name


def _validate(function: Function) -> None:
    def refuse(problem: str) -> None:
        raise InvalidFunction(f"Function “{function.fn_id}” ({function.place}): {problem}")

    if not function.fn_id or len(function.fn_id) > 200 or function.fn_id != function.fn_id.strip():
        refuse("its id must be 1 to 200 characters without space around them.")
    if not callable(function.handler):
        refuse("its handler is not callable.")
    if not (isinstance(function.retries, int) and 0 <= function.retries <= MOST_RETRIES):
        refuse(f"retries={function.retries!r}; a whole number from 0 to {MOST_RETRIES} is allowed.")
    if function.backoff is not None and not all(s >= 0 for s in function.backoff or [-1]):
        refuse("backoff must be a list of seconds, none of them negative.")
    if len(function.concurrency) > 2:
        refuse(f"{len(function.concurrency)} concurrency entries; at most 2 are allowed.")
    for trigger in function.triggers:
        if not isinstance(trigger, TriggerEvent | TriggerCron):
            refuse(f"trigger={trigger!r:.80}; TriggerEvent and TriggerCron are allowed.")
    for entry in function.concurrency:
        if not (isinstance(entry.limit, int) and entry.limit >= 1):
            refuse(f"Concurrency(limit={entry.limit!r}); a whole number of at least 1 is allowed.")
    spans = [function.timeouts.start, function.timeouts.finish]
    spans += [cancel.timeout for cancel in function.cancel_on]
    if not all(span is None or seconds(span) > 0 for span in spans):
        refuse("a timeout must be a timedelta or a number of seconds above 0.")
    if len(function.cancel_on) > 5:
        refuse(f"{len(function.cancel_on)} cancel_on entries; at most 5 are allowed.")
    for read, source in _to_be_read(function):
        try:
            read(source)
        except Exception as error:
            refuse(str(error))


def _to_be_read(function: Function) -> Iterable[tuple[Callable[[str], Any], str]]:
    """Every expression and cron line, each with what reads it."""
    yield from ((compiled, entry.key) for entry in function.concurrency if entry.key)
    yield from ((compiled, cancel.if_exp) for cancel in function.cancel_on if cancel.if_exp)
    yield from ((compiled, t.if_exp) for t in event_triggers(function) if t.if_exp)
    yield from ((timetable, line) for line in cron_lines(function))


def _trigger_config(trigger: Trigger) -> dict[str, Any]:
    if isinstance(trigger, TriggerCron):
        return {"cron": trigger.cron}
    return {"event": trigger.event, "if": trigger.if_exp}


def sync() -> None:
    """Write every function's configuration to its row, for operators to see."""
    rows = [
        RegisteredFunction(fn_id=f.fn_id, name=f.name, config=f.config(), synced_at=Now())
        for f in sorted(all_functions(), key=lambda f: f.fn_id)
    ]
    RegisteredFunction.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["fn_id"],
        update_fields=["name", "config", "synced_at"],
    )
