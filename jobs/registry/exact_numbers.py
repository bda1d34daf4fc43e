"""Numbers in expressions: each is exact, or can be compared for equality alone.

CEL has whole numbers of 64 bits. Its library takes larger ones as floating point numbers, so that
2**64 + 1 and 2**64 + 2 would be equal. In their place an expression is given a value that is equal
to the same number alone. Anything else that is done with it has no value.
"""

from __future__ import annotations

import math
from typing import Any

LEAST, MOST = -(2**63), 2**64 - 1  # an int of CEL's, or a uint
WHOLE = 2.0**53  # from here on a floating point number may stand for several whole ones
MARK = "\0number"  # no JSON that can be stored has a name with a NUL


def exact(value: Any) -> Any:
    """JSON as an expression is given it; the same object where nothing has to change."""
    kind = type(value)
    if kind is dict:
        changed = {}
        for name, old in value.items():  # a comprehension would be a call more for each level
            new = exact(old)
            if new is not old:
                changed[name] = new
        return value | changed if changed else value
    if kind is list:
        items = list(map(exact, value))
        return value if all(map(_is_same, items, value)) else items
    if kind is int:
        return value if LEAST <= value <= MOST else {MARK: str(value)}
    if kind is float:
        return _whole(value)
    return value


def _is_same(new: Any, old: Any) -> bool:
    return new is old


def _whole(value: float) -> Any:
    """A large floating point number as the whole one that it is: PostgreSQL writes it out, and
    whatever is read back is an int. Zero has no sign."""
    if value == 0.0:
        return 0.0 if math.copysign(1.0, value) < 0 else value
    if math.isfinite(value) and abs(value) >= WHOLE:
        return exact(int(value))
    return value


def number_of(value: dict[Any, Any]) -> int | None:
    """The number that `exact` has replaced by this object; None if it is another object."""
    return int(value[MARK]) if value.keys() == {MARK} else None
