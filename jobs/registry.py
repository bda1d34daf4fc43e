"""Functions as code: how they are declared, and how they are found.

`create_function` is used as a decorator in an app's `functions.py`, which is discovered at start
as `admin.py` is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from django.db.models.functions import Now

from jobs.errors import InvalidFunction, UnknownFunction
from jobs.models import RegisteredFunction
from jobs.options import Cancel, Concurrency, Timeouts, Trigger, TriggerCron, TriggerEvent, seconds
from jobs.secrets import mask
from jobs.validation import problems

Handler = Callable[..., Any]
DEFAULT_RETRIES = 4
ENGINE_PREFIX = "jobs/"  # names of the engine's own events
MOST_RETRIES = 20


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
    timeouts: Timeouts = field(default_factory=Timeouts)
    cancel_on: tuple[Cancel, ...] = ()
    hooks: dict[str, str] = field(default_factory=dict)  # "failure" | "cancel" | "retry" → fn_id

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.handler(*args, **kwargs)

    @property
    def place(self) -> str:
        """Where it is written, for messages."""
        handler = self.handler
        code = getattr(inspect.unwrap(handler), "__code__", None)
        line = f":{code.co_firstlineno}" if code else ""
        module = getattr(handler, "__module__", "?")
        return f"{module}.{getattr(handler, '__qualname__', repr(handler))}{line}"

    def config(self) -> dict[str, Any]:
        """What the database is told of it, for operators."""
        return {
            "name": self.name,
            "module": getattr(self.handler, "__module__", "?"),
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
    concurrency: Concurrency | Sequence[Concurrency] = (),
    retries: int = DEFAULT_RETRIES,
    backoff: Sequence[float] | None = None,
    timeouts: Timeouts | None = None,
    cancel_on: Cancel | Sequence[Cancel] = (),
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
    triggers = _tuple(trigger)
    hooks = {"failure": on_failure, "cancel": on_cancel, "retry": on_retry}

    def decorate(handler: Handler) -> Function:
        function = Function(
            fn_id=fn_id,
            name=name or fn_id,
            handler=handler,
            triggers=triggers,
            concurrency=_tuple(concurrency),
            retries=retries,
            backoff=tuple(backoff) if backoff is not None else None,
            timeouts=timeouts or Timeouts(),
            cancel_on=_tuple(cancel_on),
            hooks={moment: f"{fn_id}-{moment}" for moment, hook in hooks.items() if hook},
        )
        register(function)
        for moment, hook in hooks.items():
            if hook:
                register(_hook(function, moment, hook))
        return function

    return decorate


def _tuple(given: Any) -> tuple[Any, ...]:
    """One, or a list of them."""
    return tuple(given) if isinstance(given, list | tuple) else (given,)


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
    for problem in problems(function):
        said = f"Function “{function.fn_id}” ({function.place}): {problem}"
        raise InvalidFunction(mask(said))
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


def hook_of(fn_id: str, moment: str) -> Function | None:
    """The function that is to start when a run of this one fails, is cancelled or is retried."""
    function = _functions.get(fn_id)
    return _functions.get(function.hooks.get(moment, "")) if function else None


def knows(fn_id: str) -> bool:
    return fn_id in _functions


def ids() -> list[str]:
    return list(_functions)


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
