"""Which values the engine keeps: JSON of a bounded size and depth, the same when read back.

Events, outputs, request bodies and responses pass `encode` and `decode`: they can be sent, stored,
read, shown and wrapped into an event at any depth of calls. A value with a plain form (plain_forms)
becomes that.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import accumulate
from typing import Any

from jobs.errors import InvalidOutput
from jobs.lib.excerpts import MAX_SHOWN, excerpt, quoted
from jobs.lib.json_culprits import MAX_LEVELS, TOO_LARGE, culprit_of
from jobs.lib.plain_forms import WRITER, with_text_keys
from jobs.lib.secrets import mask, mask_json

ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)
OUTPUT_LIMIT = 4 * 1024 * 1024
LONG = re.compile(r"\d{309}")
# An escaped NUL: an even number of backslashes precedes its own.
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
SURROGATE = re.compile("[\ud800-\udfff]")
# Or an unclosed one to the end: a match that fails there would be tried again at each quote.
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
NO_BRACKET = re.compile(r"[^]\[}{]+")
STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


class Unfit(ValueError):
    """The message ends a sentence: “is not JSON: …”."""


def to_json(value: Any, what: str) -> Any:
    """The value as it will be read back. Raises InvalidOutput."""
    return to_sized_json(value, what)[0]


def to_sized_json(value: Any, what: str) -> tuple[Any, int]:
    """Also its bytes of JSON (0 for None)."""
    if value is None:  # as most steps return
        return None, 0
    try:
        text = encode(value)
        size = size_of(text)
        if size > OUTPUT_LIMIT:
            raise Unfit(f"has {size:,} bytes of JSON; at most {OUTPUT_LIMIT:,} fit.")
        return decode(text), size
    except Unfit as unfit:
        raise InvalidOutput(f"{what} {unfit}") from None


def encode(value: Any) -> str:
    """Storable JSON text; raises Unfit."""
    try:
        text = _written(value)
    except Exception:  # the value's own methods may raise
        raise Unfit(f"is not JSON: {culprit_of(value)}.") from None
    refuse_too_deep(text)
    if not is_storable(text):
        raise Unfit("holds a NUL or a lone surrogate, which cannot be stored.")
    return text


def _written(value: Any) -> str:
    try:
        return WRITER.encode(value)
    except TypeError:  # dates, say, as an object's names
        return WRITER.encode(with_text_keys(value))


def size_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def refuse_too_deep(text: str) -> None:
    if text.count("[") + text.count("{") > MAX_LEVELS:  # else it cannot have
        levels = _levels(text)
        if levels > MAX_LEVELS:
            raise Unfit(f"is nested {levels} levels deep; at most {MAX_LEVELS} are allowed.")


def _levels(text: str) -> int:
    """In one pass: a text of a million levels must not cost a million passes."""
    brackets = NO_BRACKET.sub("", STRING.sub("", text))
    return max(accumulate(map(STEP.__getitem__, brackets)), default=0)


def decode(text: str) -> Any:
    """The value as a jsonb column returns it, secrets masked: names in jsonb's order (by length,
    then bytes), whole numbers written out, no negative zero.

    Raises Unfit for too large a number, and for a name twice in an object (`1` and `"1"` are the
    same), of which PostgreSQL would keep one.
    """
    value = _decode(text)
    return value if mask(text) == text else _decode(ENCODER.encode(mask_json(value)))


def _decode(text: str) -> Any:
    return (CAREFUL if LONG.search(text) else DECODER).decode(text)


def _in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(sorted(pairs, key=_jsonb_order)) if len(pairs) > 1 else dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unfit(f"has the name {quoted(twice)} twice in one object.")
    return found


def _jsonb_order(pair: tuple[str, Any]) -> tuple[int, bytes]:
    name = pair[0].encode()
    return len(name), name


def _number(digits: str) -> float | int:
    value = float(digits)
    if not value.is_integer():
        return value
    return int(Decimal(digits)) if "e" in digits else value + 0.0


def _whole(digits: str) -> int:
    try:
        value = int(digits)
        float(value)
    except (ValueError, OverflowError):
        raise Unfit(f"holds a whole number of {len(digits):,} digits, {TOO_LARGE}.") from None
    return value


DECODER = json.JSONDecoder(object_pairs_hook=_in_order, parse_float=_number)
# For a text with a long number.
CAREFUL = json.JSONDecoder(object_pairs_hook=_in_order, parse_float=_number, parse_int=_whole)


def is_storable(text: str) -> bool:
    return is_text(text) and not ("\\u0000" in text and NUL.search(text))


def is_text(text: str) -> bool:
    """PostgreSQL stores no NUL and no lone surrogate."""
    return "\0" not in text and (text.isascii() or not SURROGATE.search(text))


def is_name(text: Any, limit: int) -> bool:
    return isinstance(text, str) and 0 < len(text) <= limit and bool(text.strip()) and is_text(text)


def plain(text: Any) -> Any:
    """A str without its subclass: enumerations' members are written differently in places."""
    return str.__str__(text) if isinstance(text, str) else text


def named(name: Any) -> str:
    return (
        f"“{excerpt(name, MAX_SHOWN)}”" if isinstance(name, str) and is_text(name) else quoted(name)
    )


def copy_json(value: Any) -> Any:
    """Faster than `copy.deepcopy`."""
    if isinstance(value, dict):
        value = dict(value)
        for key in value:  # a comprehension costs another call per level
            value[key] = copy_json(value[key])
    elif isinstance(value, list):
        value = list(map(copy_json, value))
    return value
