"""Calls of an author's functions: arguments that one does not take are told with its signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs.errors import InvalidStep
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.signatures import LIMIT, name_of, signature_of, takes
from jobs.registry.handler_identity import place_of


def call(fn: Callable[..., Any], what: str, /, *args: Any, **kwargs: Any) -> Any:
    """What `fn` returns. Raises InvalidStep, which `what` begins, for arguments that it does not
    take; a TypeError of its body is its own.
    """
    try:
        return fn(*args, **kwargs)
    except TypeError as error:
        if _was_entered(error) or takes(fn, *args, **kwargs):
            raise
        name = name_of(fn)
        raise InvalidStep(
            f"{what} calls {name}{_written(args, kwargs)}, which is {name}{signature_of(fn)} "
            f"({place_of(fn)})."
        ) from None


def _was_entered(error: TypeError) -> bool:
    """Whether a frame of Python lies below that of `call`."""
    trace = error.__traceback__
    return trace is not None and trace.tb_next is not None


def _written(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    given = [quoted(arg, 40) for arg in args]
    given += [f"{name}={quoted(value, 40)}" for name, value in kwargs.items()]
    return excerpt(f"({', '.join(given)})", LIMIT)
