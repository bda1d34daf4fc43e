"""Whether two handlers are the same code, and its place."""

from __future__ import annotations

import inspect
from types import FunctionType, MethodType
from typing import Any

from jobs.lib.error_report import fit_text
from jobs.lib.excerpts import quoted

PLACE_LIMIT = 300  # characters of a module's and a handler's name
DEEPEST = 5  # nested closures


def place_of(handler: Any) -> str:
    """For messages: “shop.functions.welcome:12”."""
    name = getattr(handler, "__qualname__", None)
    name = name if isinstance(name, str) else quoted(handler)
    return f"{module_of(handler)}.{fit_text(name, PLACE_LIMIT)}{_line_of(handler)}"


def module_of(handler: Any) -> str:
    module = getattr(handler, "__module__", None)
    return fit_text(module, PLACE_LIMIT) if isinstance(module, str) else "?"


def _line_of(handler: Any) -> str:
    try:
        code = inspect.unwrap(handler).__code__
    except (ValueError, AttributeError):  # wrapped in itself, or not Python's
        return ""
    return f":{code.co_firstlineno}"


def are_the_same(one: Any, other: Any, depth: int = DEEPEST) -> bool:
    """Whether both come from one place, with equal closures and defaults: a second import makes a
    handler anew, a factory in a loop different ones.
    """
    if one is other:
        return True
    if isinstance(one, MethodType) and isinstance(other, MethodType):
        return one.__self__ is other.__self__ and are_the_same(one.__func__, other.__func__, depth)
    if not isinstance(one, FunctionType) or not isinstance(other, FunctionType):
        return type(one) is type(other) and _are_equal(one, other)
    if place_of(one) != place_of(other) or depth == 0:
        return False
    pairs = zip(_surroundings(one), _surroundings(other), strict=False)
    return len(_surroundings(one)) == len(_surroundings(other)) and all(
        are_the_same(mine, others, depth - 1) for mine, others in pairs
    )


def _surroundings(function: FunctionType) -> list[Any]:
    found: list[Any] = list(function.__defaults__ or ())
    found += [value for _, value in sorted((function.__kwdefaults__ or {}).items())]
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not filled yet
            found.append(None)
    return found


def _are_equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # an author's comparison may raise
        return False
