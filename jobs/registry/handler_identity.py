"""Whether two registrations are the same code, and its place."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from operator import is_
from pathlib import PurePath
from types import FrameType, FunctionType, MethodType
from typing import Any

from jobs.lib.error_report import fit_text
from jobs.lib.excerpts import quoted

PLACE_LIMIT = 300  # characters of a name
DEEPEST = 5  # nested closures


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """Where `create_function` was called: the module's line that led there, and its import (its
    spec, new with each import; None if unknown).
    """

    place: str  # “shop/functions.py:12”
    import_: Any = None

    def is_of_the_same_import(self, other: Declaration) -> bool:
        return self.import_ is not None and self.import_ is other.import_


UNDECLARED = Declaration("")


def declaration() -> Declaration:
    """That of the caller's caller."""
    asked: FrameType = sys._getframe(2)
    frame: FrameType | None = asked
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    spec = frame.f_globals.get("__spec__") if frame is not None else None
    if frame is None or spec is None or frame.f_globals.get("__name__") == "__main__":
        return Declaration(_place_in(asked))
    return Declaration(_place_in(frame), spec)


def place_of_error(error: BaseException, module: str) -> str:
    """The error's last line in this module's package; empty without one."""
    package, place, step = module.partition(".")[0], "", error.__traceback__
    while step is not None:
        name = str(step.tb_frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == package:
            place = _place_in(step.tb_frame, step.tb_lineno)
        step = step.tb_next
    return place


def _place_in(frame: FrameType, line: int | None = None) -> str:
    module = str(frame.f_globals.get("__name__", ""))
    file = _file_of(frame.f_code.co_filename, module)
    return f"{file}:{frame.f_lineno if line is None else line}"


def place_of(handler: Any) -> str:
    """“shop.functions.welcome, shop/functions.py:12”."""
    name = getattr(handler, "__qualname__", None)
    name = name if isinstance(name, str) else quoted(handler)
    return f"{module_of(handler)}.{fit_text(name, PLACE_LIMIT)}{_line_of(handler)}"


def module_of(handler: Any) -> str:
    module = getattr(handler, "__module__", None)
    return fit_text(module, PLACE_LIMIT) if isinstance(module, str) else "?"


def _line_of(handler: Any) -> str:
    try:
        code = inspect.unwrap(handler).__code__
        file = _file_of(code.co_filename, module_of(handler))
        return f", {file}:{code.co_firstlineno}"
    except (ValueError, AttributeError, TypeError):  # wrapped in itself, or not Python's
        return ""


def _file_of(path: str, module: str) -> str:
    """From the folder of the module's import: the same on each machine."""
    parts, names = PurePath(path).parts, module.split(".")
    count = len(names) + (parts[-1:] == ("__init__.py",))
    own = parts[-count:]
    is_its = [PurePath(part).stem for part in own if part != "__init__.py"] == names
    return fit_text("/".join(own) if is_its else path, PLACE_LIMIT)


def are_the_same(one: Any, other: Any, depth: int = DEEPEST) -> bool:
    """Whether both have one place, and equal closures and defaults: a second import makes a handler
    anew, a factory in a loop different ones.
    """
    if one is other:
        return True
    if isinstance(one, MethodType) and isinstance(other, MethodType):
        return one.__self__ is other.__self__ and are_the_same(one.__func__, other.__func__, depth)
    if not isinstance(one, FunctionType) or not isinstance(other, FunctionType):
        return type(one) is type(other) and _are_equal(one, other)
    if place_of(one) != place_of(other) or depth == 0 or _are_of_one_call(one, other):
        return False
    pairs = zip(_surroundings(one), _surroundings(other), strict=False)
    return len(_surroundings(one)) == len(_surroundings(other)) and all(
        are_the_same(mine, others, depth - 1) for mine, others in pairs
    )


def _are_of_one_call(one: FunctionType, other: FunctionType) -> bool:
    """Made by one call of the code around them, as in a loop."""
    mine, others = one.__closure__ or (), other.__closure__ or ()
    return bool(mine) and len(mine) == len(others) and all(map(is_, mine, others))


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
