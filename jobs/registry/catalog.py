"""This process's registered functions."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain
from typing import Any

from django.apps import apps

from jobs.errors import InvalidFunction, UnknownFunction
from jobs.lib.json_values import named
from jobs.lib.secrets import mask
from jobs.lib.spelling import did_you_mean
from jobs.registry import event_data, unusable
from jobs.registry.event_names import ENGINE
from jobs.registry.function import Function
from jobs.registry.handler_identity import are_the_same
from jobs.registry.options import Cancel, TriggerCron, TriggerEvent
from jobs.registry.validation import problems

logger = logging.getLogger("jobs.engine")

KEPT_NAMES = 1_000  # of events, each with the functions that it concerns

_functions: dict[str, Function] = {}


def register(function: Function, *hooks: Function, slips: Iterable[str] = ()) -> None:
    """Register a function with its hooks, all or none. The same code may come again (an
    autoreload), other code under a known id may not. `slips` are its declaration's problems.

    Raises InvalidFunction; while Django starts, sets the function aside instead (unusable.py).
    """
    try:
        _refuse_unusable(function, slips)
        for hook in hooks:
            _refuse_hook(function, hook)
    except InvalidFunction as error:
        if apps.ready:
            raise
        _set_aside(function, str(error))
        return
    for one in (function, *hooks):
        unusable.forget(one.fn_id)
        _functions[one.fn_id] = one
    _look_again()


def _refuse_hook(function: Function, hook: Function) -> None:
    moment = next(moment for moment, fn_id in function.hooks.items() if fn_id == hook.fn_id)
    place = hook.place if callable(hook.handler) else function.place
    for problem in problems(hook):
        where = f"Function {named(function.fn_id)} ({place}): on_{moment}"
        raise InvalidFunction(mask(f"{where} (“{hook.fn_id}”): {problem}"))
    _refuse_unusable(hook)


def _refuse_unusable(function: Function, slips: Iterable[str] = ()) -> None:
    for problem in chain(slips, problems(function)):
        said = f"Function {named(function.fn_id)} ({function.place}): {problem}"
        raise InvalidFunction(mask(said))
    known = _functions.get(function.fn_id)
    if known is not None and not _is_again(known, function):
        raise InvalidFunction(_two_of_one_id(known, function))


def _is_again(known: Function, function: Function) -> bool:
    """A second import, or the very same twice."""
    if not are_the_same(known.handler, function.handler):
        return False
    if not function.declaration.is_of_the_same_import(known.declaration):
        return True
    return known.handler is function.handler and known.config() == function.config()


def _two_of_one_id(known: Function, function: Function) -> str:
    both = " and ".join(f"{one.place}{_declared(one)}" for one in (known, function))
    said = f"Two functions have the id “{function.fn_id}”: {both}."
    if known.place == function.place:
        said += " A loop, or a factory, must give each function that it makes an id of its own."
    return said


def _declared(function: Function) -> str:
    place = function.declaration.place
    return "" if not place or function.place.endswith(place) else f" (declared at {place})"


def _set_aside(function: Function, why: str) -> None:
    logger.error("A function is set aside, the others go on: %s", why)
    waiting = stand_in(
        function.fn_id,
        triggers=function.triggers,
        concurrency=function.concurrency,
        resumable=function.resumable is not False,
        hooks=function.hooks,
    )
    try:
        _refuse_unusable(waiting)
    except InvalidFunction:  # or its id is taken
        unusable.refused.append(why)
        return
    unusable.refuse(function.fn_id, why)
    _functions[function.fn_id] = waiting
    _look_again()


def stand_in(fn_id: str, **options: Any) -> Function:
    """Of a function that this process cannot run: its runs are made and wait."""
    return Function(fn_id=fn_id, name=fn_id, handler=_cannot_run, **options)


def _cannot_run(ctx: Any) -> None:
    raise UnknownFunction("This process cannot run the function.")


def unregister(fn_id: str) -> None:
    function = _functions.pop(fn_id, None)
    unusable.forget(fn_id)
    for hook in function.hooks.values() if function else ():
        _functions.pop(hook, None)
    _look_again()


def _look_again() -> None:
    cancelled_by.cache_clear()
    triggered_by.cache_clear()


def get(fn_id: str) -> Function:
    try:
        return _functions[fn_id]
    except (KeyError, TypeError):
        said = f"No function {named(fn_id)} is registered in this process."
        raise UnknownFunction(said + meant(fn_id)) from None


def meant(given: Any, others: Iterable[str] = ()) -> str:
    """The end of a sentence: the id that was meant."""
    if isinstance(given, Function):
        return f" Give its id, a text: “{given.fn_id}”."
    of_handler = [f.fn_id for f in _functions.values() if f.handler is given]
    if of_handler:
        return f" Give the id of its function, a text: “{of_handler[0]}”."
    if not isinstance(given, str):
        undecorated = callable(given) and " This one is not decorated with @create_function."
        return f" A function's id is allowed, a text.{undecorated or ''}"
    return did_you_mean(given, sorted({*_functions, *others}))


@lru_cache(maxsize=KEPT_NAMES)
def cancelled_by(event_name: str) -> tuple[tuple[Function, Cancel], ...]:
    return tuple(
        (function, cancel)
        for function in _functions.values()
        for cancel in function.cancel_on
        if cancel.event == event_name
    )


def knows(fn_id: str) -> bool:
    return isinstance(fn_id, str) and fn_id in _functions


def ids() -> list[str]:
    return [fn_id for fn_id in _functions if unusable.why(fn_id) is None]


def all_functions() -> Iterable[Function]:
    return list(_functions.values())


@lru_cache(maxsize=KEPT_NAMES)
def triggered_by(event_name: str) -> tuple[tuple[Function, list[TriggerEvent]], ...]:
    found = []
    for function in list(_functions.values()):
        matching = [t for t in event_triggers(function) if _matches(t, event_name)]
        if matching:
            found.append((function, matching))
    return tuple(found)


def read_data(function: Function, event_name: str, data: dict[str, Any]) -> Any:
    """As the type that the function's triggers name, or unchanged. Raises InvalidEvent."""
    if event_name == event_data.INVOKED_EVENT:
        kinds = event_data.invoked_kinds(function.triggers)
    else:
        typed = event_data.typed_triggers(function.triggers)
        kinds = [trigger.data for trigger in typed if _matches(trigger, event_name)]
    return event_data.read(kinds, function.fn_id, event_name, data)


def event_triggers(function: Function) -> list[TriggerEvent]:
    return [trigger for trigger in function.triggers if isinstance(trigger, TriggerEvent)]


def cron_triggers(function: Function) -> list[TriggerCron]:
    """None while the function is unfit: a missed tick is given late."""
    if unusable.why(function.fn_id) is not None:
        return []
    return [trigger for trigger in function.triggers if isinstance(trigger, TriggerCron)]


def _matches(trigger: TriggerEvent, event_name: str) -> bool:
    if "*" in trigger.event:
        if event_name.startswith(ENGINE) and not trigger.event.startswith(ENGINE):
            return False  # "*" covers the product's events, not the engine's own
        return fnmatchcase(event_name, trigger.event.replace("[", "[[]"))
    return trigger.event == event_name
