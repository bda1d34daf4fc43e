"""Numbers in expressions: exact, or comparable for equality only.

CEL's library makes floats of whole numbers beyond 64 bits: 2**64 + 1 would equal 2**64 + 2. `exact`
makes them objects instead, equal to the same number only.
"""

from __future__ import annotations

import math
from typing import Any

LEAST, MOST = -(2**63), 2**64 - 1  # a CEL int, or uint
WHOLE = 2.0**53  # a larger float may stand for several whole numbers
MARK = "\0number"  # storable JSON has no name with a NUL


def exact(value: Any) -> Any:
    """JSON for an expression; the same object if unchanged."""
    kind = type(value)
    if kind is dict:
        changed = {}
        for name, old in value.items():  # a comprehension costs another call per level
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
    """PostgreSQL writes a large float out, and reads back an int. Zero has no sign."""
    if value == 0.0:
        return 0.0 if math.copysign(1.0, value) < 0 else value
    if math.isfinite(value) and abs(value) >= WHOLE:
        return exact(int(value))
    return value


def number_of(value: dict[Any, Any]) -> int | None:
    return int(value[MARK]) if value.keys() == {MARK} else None
