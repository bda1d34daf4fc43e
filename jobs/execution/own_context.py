"""What code sets for the rest of its context is not the next run's: a language, a time zone, a
context variable, how decimals are rounded."""

from __future__ import annotations

import contextlib
import contextvars
import decimal
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.core.cache import InvalidCacheBackendError, caches

P = ParamSpec("P")
T = TypeVar("T")


def in_own_context(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Django keeps its language and its time zone in context variables, too; and its caches, whose
    connections outlast a run.
    """
    _have_caches()
    return contextvars.copy_context().run(_with_own_decimals, call, *args, **kwargs)


def _have_caches() -> None:
    for alias in caches:
        with contextlib.suppress(InvalidCacheBackendError, ImportError):
            caches[alias]


def _with_own_decimals(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The copied variable names the same object, which code may change."""
    with decimal.localcontext():
        return call(*args, **kwargs)
