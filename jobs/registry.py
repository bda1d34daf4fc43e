"""Functions as code: how they are declared, and how they are found.

`create_function` is used as a decorator in an app's `functions.py`, which is discovered at start
as `admin.py` is. What cannot be used is refused: with InvalidFunction, or, while Django starts, set
aside alone (see unfit.py), so that the other functions go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models.functions import Now

from jobs import unfit
from jobs.error_reports import storable
from jobs.errors import InvalidFunction, UnknownFunction
from jobs.excerpts import quoted
from jobs.models import RegisteredFunction
from jobs.options import Cancel, Concurrency, Timeouts, Trigger, TriggerCron, TriggerEvent, seconds
from jobs.outages import is_unavailable
from jobs.sameness import are_the_same, module_of, place_of
from jobs.secrets import mask
from jobs.validation import problems
from jobs.values import named, plain

logger = logging.getLogger("jobs.engine")

Handler = Callable[..., Any]
DEFAULT_RETRIES = 4
REASON_LIMIT = 4_000  # characters
ENGINE_PREFIX = "jobs/"  # names of the engine's own events


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
        return place_of(self.handler)

    def config(self) -> dict[str, Any]:
        """What the database is told of it, for operators."""
        return {
            "name": self.name,
            "module": module_of(self.handler),
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
    backoff: Sequence[float | timedelta] | None = None,
    timeouts: Timeouts | None = None,
    cancel_on: Cancel | Sequence[Cancel] = (),
    on_failure: Handler | None = None,
    on_cancel: Handler | None = None,
    on_retry: Handler | None = None,
) -> Callable[[Handler], Function]:
    """Register the decorated handler, `def f(ctx: Context) -> JSON`, as a durable function.

    `retries=3` is four attempts of each step (0–20). `backoff` is a list of seconds or timedeltas
    before retry 1, 2, …. `on_failure`, `on_cancel` and `on_retry` become functions of their own
    (`<fn_id>-failure`, …) whose event tells of the run: `data["error"]`, `data["event"]`,
    `data["run_id"]`, `data["function_id"]`. Raises InvalidFunction (see `register`).
    """
    hooks = {"failure": on_failure, "cancel": on_cancel, "retry": on_retry}
    given = {moment: hook for moment, hook in hooks.items() if hook is not None}
    fn_id, name = plain(fn_id), plain(name)

    def decorate(handler: Handler) -> Function:
        function = Function(
            fn_id=fn_id,
            name=fn_id if name in ("", None) else name,
            handler=handler,
            triggers=_tuple(trigger),
            concurrency=_tuple(concurrency),
            retries=retries,
            backoff=_delays(backoff),
            timeouts=Timeouts() if timeouts is None else timeouts,
            cancel_on=_tuple(cancel_on),
            hooks={moment: f"{fn_id}-{moment}" for moment in given},
        )
        register(function, *(_hook(function, moment, hook) for moment, hook in given.items()))
        return function

    return decorate


def _tuple(given: Any) -> tuple[Any, ...]:
    """One, or a list of them."""
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _delays(backoff: Any) -> Any:
    """In seconds; what is no list of times is left as it is, to be refused."""
    if not isinstance(backoff, list | tuple):
        return backoff
    return tuple(d.total_seconds() if isinstance(d, timedelta) else d for d in backoff)


def _hook(function: Function, moment: str, handler: Handler) -> Function:
    return Function(
        fn_id=f"{function.fn_id}-{moment}",
        name=f"{function.name} ({moment})",
        handler=handler,
        retries=function.retries,
        backoff=function.backoff,
    )


def register(function: Function, *hooks: Function) -> None:
    """Make a function known with its hooks, all or none of them; the same code may come again (an
    autoreload), other code may not.

    Raises InvalidFunction. While Django starts, the function is set aside instead, and what Django
    checks (discovery) tells of it.
    """
    try:
        for one in (function, *hooks):
            _refuse_unusable(one)
    except InvalidFunction as error:
        if apps.ready:
            raise
        _set_aside(function, str(error))
        return
    for one in (function, *hooks):
        unfit.forget(one.fn_id)
        _functions[one.fn_id] = one


def _refuse_unusable(function: Function) -> None:
    for problem in problems(function):
        said = f"Function {named(function.fn_id)} ({function.place}): {problem}"
        raise InvalidFunction(mask(said))
    known = _functions.get(function.fn_id)
    if known is not None and not are_the_same(known.handler, function.handler):
        raise InvalidFunction(
            f"Two functions have the id “{function.fn_id}”: {known.place} and {function.place}."
        )


def _set_aside(function: Function, why: str) -> None:
    """Of a function that cannot be used what can be is kept: what makes its runs, which then wait
    until a cluster comes that can execute them."""
    logger.error("It is set aside, the others go on: %s", why)
    waiting = Function(
        fn_id=function.fn_id,
        name=function.fn_id,
        handler=_cannot_run,
        triggers=function.triggers,
        concurrency=function.concurrency,
    )
    try:
        _refuse_unusable(waiting)
    except InvalidFunction:  # or there is another one of its id
        unfit.refused.append(why)
        return
    unfit.refuse(function.fn_id, why)
    _functions[function.fn_id] = waiting


def _cannot_run(ctx: Any) -> None:
    raise UnknownFunction("This function was refused when it was registered.")


def unregister(fn_id: str) -> None:
    """Forget a function and its hooks: as a deployment does that no longer has it."""
    function = _functions.pop(fn_id, None)
    unfit.forget(fn_id)
    for hook in function.hooks.values() if function else ():
        _functions.pop(hook, None)


def get(fn_id: str) -> Function:
    try:
        return _functions[fn_id]
    except (KeyError, TypeError):
        raise UnknownFunction(
            f"No function {named(fn_id)} is registered in this process."
        ) from None


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
    return isinstance(fn_id, str) and fn_id in _functions


def ids() -> list[str]:
    """Those whose runs this process can take: without what is unfit (see unfit.py)."""
    return [fn_id for fn_id in _functions if unfit.why(fn_id) is None]


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


def cron_triggers(function: Function) -> list[TriggerCron]:
    """Its lines that tick; not while it is unfit: a tick that is missed is given late."""
    if unfit.why(function.fn_id) is not None:
        return []
    return [trigger for trigger in function.triggers if isinstance(trigger, TriggerCron)]


def _matches(trigger: TriggerEvent, event_name: str) -> bool:
    if "*" in trigger.event:
        if event_name.startswith(ENGINE_PREFIX) and not trigger.event.startswith(ENGINE_PREFIX):
            return False  # "*" is everything of the product's, not the engine's own failures
        return fnmatchcase(event_name, trigger.event.replace("[", "[[]"))
    return trigger.event == event_name


def _trigger_config(trigger: Trigger) -> dict[str, Any]:
    if isinstance(trigger, TriggerCron):
        is_plain = trigger.if_running == "start"
        return {"cron": trigger.cron} | ({} if is_plain else {"if_running": trigger.if_running})
    return {"event": trigger.event, "if": trigger.if_exp}


def sync() -> None:
    """Write every function's configuration to its row, for operators to see.

    All in one statement. If that cannot be, and the database is there, one by one: a function that
    cannot be written is set aside alone, with its error in words. Raises Django's errors when the
    database is away.
    """
    functions = sorted(all_functions(), key=lambda f: f.fn_id)
    refused = [f for f in functions if unfit.is_refused(f.fn_id)]
    usable = [f for f in functions if not unfit.is_refused(f.fn_id)]
    for function in usable:
        unfit.forget(function.fn_id)
    if not _is_written(usable):
        for function in usable:
            _write_alone(function)
    for function in refused:
        _tell(function.fn_id)


def _is_written(functions: list[Function]) -> bool:
    try:
        with transaction.atomic():
            _write([_row_of(function) for function in functions])
    except Exception as error:
        if is_unavailable(error):
            raise
        logger.exception("The functions cannot be written at once; now one by one.")
        return False
    return True


def _write_alone(function: Function) -> None:
    try:
        with transaction.atomic():
            _write([_row_of(function)])
    except Exception as error:
        if is_unavailable(error):
            raise
        why = f"Function “{function.fn_id}” ({function.place}) cannot be written: "
        unfit.set_aside(function.fn_id, why + f"{type(error).__name__}: {error}")
        logger.exception("It is set aside, the others go on: %s", function.fn_id)
        _tell(function.fn_id)


def _row_of(function: Function) -> RegisteredFunction:
    name, config = function.name, function.config()
    return RegisteredFunction(fn_id=function.fn_id, name=name, config=config, synced_at=Now())


def _write(rows: list[RegisteredFunction]) -> None:
    RegisteredFunction.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["fn_id"],
        update_fields=["name", "config", "synced_at"],
    )


def _tell(fn_id: str) -> None:
    """Say on a function's own page why it is set aside, if it can have one."""
    why = storable(unfit.why(fn_id) or "", REASON_LIMIT)
    row = RegisteredFunction(fn_id=fn_id, name=fn_id, config={"unfit": why}, synced_at=Now())
    try:
        with transaction.atomic():
            _write([row])
    except Exception as error:
        if is_unavailable(error):
            raise
        logger.exception("Function %s cannot have a row.", quoted(fn_id))
