from __future__ import annotations

import inspect
from typing import Any

from jobs.lib.excerpts import excerpt

LIMIT = 200  # characters of a signature


def takes(function: Any, /, *args: Any, **kwargs: Any) -> bool:
    """True also without a readable signature: some functions in C, an object's that raises."""
    try:
        signature = inspect.signature(function)
    except Exception:
        return True
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def takes_one_argument(function: Any) -> bool:
    return takes(function, object())


def signature_of(function: Any) -> str:
    try:
        return excerpt(str(inspect.signature(function)), LIMIT)
    except Exception:
        return "(…)"


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
