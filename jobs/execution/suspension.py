"""What ends an execution leaves the function, whatever its code makes of it (law 10)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

from django.db import DatabaseError, InterfaceError

from jobs.errors import ControlFlow, Interrupted


class Runner(Protocol):
    """A step_runner.StepRunner."""

    def suspend(self, pause: ControlFlow) -> NoReturn: ...

    def raise_if_suspended(self) -> None: ...


P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=Runner)


@contextlib.contextmanager
def suspension_first(runner: Runner) -> Iterator[None]:
    """Code may return with it in an `except:`, or err over it in a `finally:`, which often misses
    what the suspended step has not returned yet.
    """
    try:
        yield
    except ControlFlow:
        raise
    except BaseException:
        runner.raise_if_suspended()
        raise
    runner.raise_if_suspended()


def unswallowed(part: Callable[Concatenate[R, P], T]) -> Callable[Concatenate[R, P], T]:
    """A part of a step after whose end nothing of the function counts, such as a commit that was
    refused: the steps before it are undone.
    """

    @wraps(part)
    def called(runner: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return part(runner, *args, **kwargs)
        except ControlFlow as stop:
            runner.suspend(stop)

    return called


def by_the_engine(part: Callable[Concatenate[R, P], T]) -> Callable[Concatenate[R, P], T]:
    """A part that asks the database and calls no code of the function: an error of the database is
    none of the function's.
    """

    @wraps(part)
    def called(runner: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return part(runner, *args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            runner.suspend(Interrupted(error))

    return called
