"""The type that an author names for a step's output: `returns=Order`."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from jobs.errors import InvalidOutput, InvalidStep
from jobs.lib import signatures
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import named
from jobs.lib.shapes.reading import name_of, shape_of
from jobs.lib.shapes.shape import Misfit, Unsupported
from jobs.registry.handler_identity import place_of

JSON = (dict, list, tuple, str, int, float)
NEVER_RUN = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Returns:
    """Without a type an output stays plain JSON."""

    def __init__(self, kind: Any, where: str) -> None:
        self._kind = kind
        try:
            self._shape = None if kind is None else shape_of(kind)
        except Unsupported as problem:
            raise InvalidStep(f"{where}: returns={name_of(kind)}: {problem}.") from None

    def read(self, output: Any, what: str) -> Any:
        if self._shape is None:
            return output
        try:
            return self._shape.read(output, "it")
        except Misfit as misfit:
            raise InvalidOutput(f"{what} does not fit {name_of(self._kind)}: {misfit}.") from None


PLAIN = Returns(None, "")


def refuse_hopeless(fn: Callable[..., Any]) -> None:
    """Refuse, before it acts outside, a body whose annotation names what cannot be remembered."""
    try:
        kind = typing.get_type_hints(fn).get("return")
    except Exception:  # a name for type checkers alone
        return
    if kind is not None and (problem := _hopeless(kind)):
        raise InvalidOutput(
            f"{getattr(fn, '__qualname__', 'The body')} was not called: it is said to return "
            f"{name_of(kind)}, which cannot be remembered. {problem}."
        )


def _hopeless(kind: Any) -> str:
    """Why only an empty value of it could be kept; empty if others might, or of a subclass."""
    origin = typing.get_origin(kind) or kind
    args = [arg for arg in typing.get_args(kind) if arg not in (types.NoneType, Ellipsis)]
    if origin in (typing.Union, types.UnionType):
        found = [_hopeless(arg) for arg in args]
        return found[0] if all(found) else ""
    if not isinstance(origin, type) or inspect.isabstract(origin):
        return ""
    if issubclass(origin, JSON):
        return next(filter(None, map(_hopeless, args)), "")
    try:
        shape_of(origin)
    except Unsupported as problem:
        return str(problem) if _has_no_heir(origin) else ""
    return ""


def _has_no_heir(kind: type) -> bool:
    return not getattr(kind, "_is_protocol", False) and all(map(_hopeless, kind.__subclasses__()))


def refuse_uncallable(fn: Any, id: Any) -> None:
    """A coroutine or generator would never run."""
    if not callable(fn):
        raise InvalidStep(
            f"{step_run(id)} takes a function, not {type(fn).__name__}.{_meant(fn, id)}"
        )
    flags = getattr(getattr(fn, "__code__", None), "co_flags", 0)
    if isinstance(flags, int) and flags & NEVER_RUN:
        raise InvalidStep(
            f"{step_run(id)} takes a plain function, which returns: no async def, and none that "
            "yields."
        )


def step_run(id: Any) -> str:
    return f"step.run({named(id)})"


def _meant(given: Any, id: Any) -> str:
    if callable(id):
        name = signatures.name_of(id)
        first = quoted(given) if isinstance(given, str) else quoted(name)
        return f" The step's id comes first: step.run({first}, {name}, …)."
    return (
        f" Given is {quoted(given)}. Name the function and its arguments, and the step calls it: "
        "step.run(id, write, order), not step.run(id, write(order))."
    )


def with_place(error: InvalidOutput, maker: Any) -> InvalidOutput:
    return InvalidOutput(f"{error} It was returned by {place_of(maker)}.") if maker else error
