"""Calls of an author's functions and of steps: an error about arguments tells the signature."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from jobs.errors import InvalidStep
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.signatures import LIMIT, name_of, signature_of, takes
from jobs.lib.spelling import did_you_mean
from jobs.registry.handler_identity import place_of

OF_A_STEP = re.compile(r"Steps\.([a-z]\w*)\(\) (.+)", re.DOTALL)
UNKNOWN = re.compile(r"unexpected keyword argument '(\w+)'")


def explained(error: BaseException, steps: type) -> BaseException:
    """A wrong call of a step becomes InvalidStep: a retry would meet the same code."""
    told = ""
    if type(error) is TypeError and (found := OF_A_STEP.fullmatch(str(error))):
        told = _of_arguments(getattr(steps, found[1], None), found[1], found[2])
    elif type(error) is AttributeError and type(error.obj) is steps:
        known = [name for name in vars(steps) if not name.startswith("_")]
        meant = did_you_mean(error.name, known) or f" Known are {', '.join(known)}."
        told = f"ctx.step has no “{error.name}”.{meant}"
    return InvalidStep(told).with_traceback(error.__traceback__) if told else error


def _of_arguments(step: Any, name: str, said: str) -> str:
    if step is None:
        return ""
    _, *options = inspect.signature(step).parameters.values()
    unknown = UNKNOWN.search(said)
    meant = did_you_mean(unknown[1], [option.name for option in options]) if unknown else ""
    return f"step.{name}() {said}.{meant} It takes {', '.join(map(_name_of, options))}."


def _name_of(option: inspect.Parameter) -> str:
    return str(option.replace(annotation=option.empty, default=option.empty))


def call(fn: Callable[..., Any], what: Callable[[], str], /, *args: Any, **kwargs: Any) -> Any:
    """Raises InvalidStep, which `what()` begins, for arguments that `fn` does not take. A TypeError
    of its body is its own.
    """
    try:
        return fn(*args, **kwargs)
    except TypeError as error:
        if _was_entered(error) or takes(fn, *args, **kwargs):
            raise
        name = name_of(fn)
        raise InvalidStep(
            f"{what()} calls {name}{_written(args, kwargs)}, which is {name}{signature_of(fn)} "
            f"({place_of(fn)})."
        ) from None


def _was_entered(error: TypeError) -> bool:
    trace = error.__traceback__
    return trace is not None and trace.tb_next is not None


def _written(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    given = [quoted(arg, 40) for arg in args]
    given += [f"{name}={quoted(value, 40)}" for name, value in kwargs.items()]
    return excerpt(f"({', '.join(given)})", LIMIT)
