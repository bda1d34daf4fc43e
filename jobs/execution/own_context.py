"""What code sets for the rest of its context is not the next run's: a language, a time zone, a
context variable, how decimals are rounded."""

from __future__ import annotations

import contextvars
import decimal
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def in_own_context(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Django keeps its language and its time zone in context variables, too."""
    return contextvars.copy_context().run(_with_own_decimals, call, *args, **kwargs)


def _with_own_decimals(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The copied variable names the same object, which code may change."""
    with decimal.localcontext():
        return call(*args, **kwargs)
