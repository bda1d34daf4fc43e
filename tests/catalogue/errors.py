"""Exceptions, as a step or the code between steps may raise them: each raises, and says its class.

`RAISING` has them all by name. What their report may stumble over (a ring of causes, a class that
lies about itself, no text, a text that PostgreSQL cannot keep) is among them.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404


class Panic(BaseException):
    """As a panic of Rust's comes to Python."""


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class MuteForGood(Exception):
    """Its text raises what no `except Exception` catches."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


class Number(Exception):
    def __str__(self) -> Any:
        return 7


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__qualname__", "__module__"):
            raise KeyboardInterrupt(name)
        return super().__getattribute__(name)


class Unnamed(Exception, metaclass=Nameless):
    pass


class Liar(Exception):
    """Its class is said to be another one, and to ask is an error."""

    @property
    def __class__(self) -> type:
        raise RuntimeError("do not ask")


class Asking(Exception):
    """An attribute of another package's, of the same name as ours."""

    retry_after = "soon"


class AskingWrongly(Exception):
    @property
    def retry_after(self) -> float:
        raise KeyError("retry_after")


class Forgetful(Exception):
    """Of what it came from cannot be read."""

    @property
    def __cause__(self) -> Any:
        raise RuntimeError("no cause")


class NotAnError(Exception):
    """Its notes are no list of texts."""

    __notes__ = 7


def raises(kind: type[BaseException], *args: Any) -> Callable[[], None]:
    def body() -> None:
        raise kind(*args)

    return body


def from_itself() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        raise error from error


def in_a_ring() -> None:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def behind_which_two_go_round() -> None:
    outer, first, second = RuntimeError("outer"), ValueError("first"), KeyError("second")
    outer.__context__, first.__context__, second.__context__ = first, second, first
    raise outer


def at_the_end_of_a_long_chain() -> None:
    error: BaseException = ValueError("the first of many")
    for number in range(5_000):
        next_one = ValueError(f"number {number}")
        next_one.__cause__, error = error, next_one
    raise error


def in_groups() -> None:
    raise ExceptionGroup("outer", [ValueError("a"), ExceptionGroup("inner", [KeyError("b")])])


def in_a_deep_group() -> None:
    group: Exception = ValueError("innermost")
    for _ in range(200):
        group = ExceptionGroup("one more", [group])
    raise group


def too_deep() -> None:
    too_deep()


def a_syntax_error() -> None:
    error = SyntaxError("odd")
    error.lineno, error.offset, error.end_offset = 10**9, -5, -7
    error.text, error.filename = "\ud800\0", "\0"
    raise error


def of_a_generator() -> None:
    def generator() -> Any:
        yield 1
        raise StopIteration("inside")

    list(generator())


def of_code_without_a_file() -> None:
    exec(compile("def f():\n  raise ValueError('from nowhere')\nf()", "<\0\ud800>", "exec"))


NEEDS_ARGUMENTS: dict[type[BaseException], tuple[Any, ...]] = {
    UnicodeDecodeError: ("utf-8", b"x", 0, 1, "no"),
    UnicodeEncodeError: ("utf-8", "x", 0, 1, "no"),
    UnicodeTranslateError: ("x", 0, 1, "no"),
    BaseExceptionGroup: ("several", [KeyboardInterrupt(), ValueError("x")]),
    ExceptionGroup: ("several", [ValueError("x")]),
}
BUILT_IN = {
    name: raises(kind, *NEEDS_ARGUMENTS.get(kind, ("as told",)))
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
ODD: dict[str, Callable[[], None]] = {
    "a panic": raises(Panic, "index out of bounds"),
    "no text": raises(Mute),
    "no text at all": raises(MuteForGood),
    "a text that is a number": raises(Number),
    "no name": raises(Unnamed),
    "a class that must not be asked": raises(Liar),
    "a foreign retry_after": raises(Asking),
    "a retry_after that raises": raises(AskingWrongly),
    "a cause that raises": raises(Forgetful),
    "odd notes": raises(NotAnError),
    "a long text": raises(ValueError, "x" * 1_000_000),
    "a text that cannot be kept": raises(ValueError, "\0 and \ud800"),
    "of Django's forms": raises(ValidationError, {"name": ["is missing"]}),
    "of Django's views": raises(Http404),
    "a DatabaseError of the author's": raises(DatabaseError, "as told"),
    "an IntegrityError of the author's": raises(IntegrityError, "as told"),
    "an InterfaceError of the author's": raises(InterfaceError, "as told"),
    "an OperationalError of the author's": raises(OperationalError, "as told"),
    **{
        job.__name__.replace("_", " "): job
        for job in (
            from_itself,
            in_a_ring,
            behind_which_two_go_round,
            at_the_end_of_a_long_chain,
            in_groups,
            in_a_deep_group,
            too_deep,
            a_syntax_error,
            of_a_generator,
            of_code_without_a_file,
        )
    },
}
RAISING: dict[str, Callable[[], None]] = BUILT_IN | ODD


def class_of(body: Callable[[], None]) -> type[BaseException]:
    """What a body raises, without any engine around it."""
    try:
        body()
    except BaseException as error:
        return type(error)
    raise AssertionError("it raises nothing")
