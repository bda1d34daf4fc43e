from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import wraps
from typing import Any, Never, ParamSpec, TypeVar

from jobs.errors import InvalidFunction
from jobs.lib.durations import Duration, duration, seconds
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import plain
from jobs.lib.spelling import did_you_mean
from jobs.registry.catalog import register
from jobs.registry.function import DEFAULT_RETRIES, Function, Handler
from jobs.registry.handler_identity import declaration
from jobs.registry.options import Cancel, Concurrency, Timeouts, Trigger

P = ParamSpec("P")
R = TypeVar("R")


def _by_name(create: Callable[P, R]) -> Callable[P, R]:
    """`@create_function` without its brackets would be told of positional arguments."""

    @wraps(create)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for given in args:
            name = getattr(given, "__name__", None) if callable(given) else None
            found = f"not {quoted(given)}" if name is None else f"above “{name}” it has none"
            raise InvalidFunction(
                f"@create_function takes its options by name, in brackets; {found}."
                ' Declare a function so: @create_function(fn_id="…", trigger=…).'
            )
        return create(*args, **kwargs)

    return checked


@_by_name
def create_function(
    *,
    fn_id: str,
    trigger: Trigger | Sequence[Trigger] = (),
    name: str = "",
    concurrency: Concurrency | Sequence[Concurrency] = (),
    retries: int = DEFAULT_RETRIES,
    backoff: Sequence[Duration] | None = None,
    timeouts: Timeouts | None = None,
    cancel_on: Cancel | Sequence[Cancel] = (),
    resumable: bool = True,
    on_failure: Handler | None = None,
    on_cancel: Handler | None = None,
    on_retry: Handler | None = None,
    **misspelt: Never,
) -> Callable[[Handler], Function]:
    """Register the decorated handler, `def f(ctx: Context) -> JSON`, as a durable function.

    `fn_id` names the function for good (1 to 200 characters); `name` is for the panel. Each
    `trigger` starts it; without one it is invoked or started by hand. `concurrency` has at most two
    lines, `timeouts` and `cancel_on` end runs early. `retries=3` is four attempts of each step
    (0–20). `backoff` lists seconds or timedeltas before retry 1, 2, …. With `resumable=False` a
    failed or cancelled run is only rerun from the start (docs/compensation.md). `on_failure`,
    `on_cancel` and `on_retry` become functions (`<fn_id>-failure`, …) whose event has the run's
    `data["error"]`, `data["event"]`, `data["run_id"]` and `data["function_id"]`. Any other option
    is `misspelt`. Raises InvalidFunction (see `register`).
    """
    hooks = _given(failure=on_failure, cancel=on_cancel, retry=on_retry)
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
            resumable=resumable,
            hooks={moment: f"{fn_id}-{moment}" for moment in hooks},
            declaration=declaration(),
        )
        made = (_hook(function, moment, hook) for moment, hook in hooks.items())
        register(function, *made, slips=map(_slip, misspelt))
        return function

    return decorate


def _given(**hooks: Handler | None) -> dict[str, Handler]:
    return {moment: hook for moment, hook in hooks.items() if hook is not None}


def _slip(option: str) -> str:
    known = [name for name in inspect.signature(create_function).parameters if name != "misspelt"]
    meant = did_you_mean(option, known) or f" Known are {', '.join(known)}."
    return f"create_function has no option “{option}”.{meant}"


def _tuple(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _delays(backoff: Any) -> Any:
    if not isinstance(backoff, list | tuple):
        return backoff
    return tuple(map(_delay, backoff))


def _delay(given: Any) -> Any:
    is_other = isinstance(given, timedelta | Decimal) and duration(given) is not None
    return seconds(given) if is_other else given


def _hook(function: Function, moment: str, handler: Handler) -> Function:
    return Function(
        fn_id=f"{function.fn_id}-{moment}",
        name=f"{function.name} ({moment})",
        handler=handler,
        retries=function.retries,
        backoff=function.backoff,
        declaration=function.declaration,
    )
