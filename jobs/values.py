"""What may be remembered: JSON, of a bounded size, the same when it is read back."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from jobs.errors import InvalidOutput
from jobs.secrets import load_masked

ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)
OUTPUT_LIMIT = 4 * 1024 * 1024
# An escaped NUL: its backslash is not itself escaped, i.e. an even number stands before it.
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
SURROGATE = re.compile("[\ud800-\udfff]")


def remembered(value: Any, what: str) -> Any:
    """The value as it will be read back: through JSON and the mask of secrets.

    `what` names it in the error, e.g. “the output of step “update-song””.
    """
    if value is None:  # as most steps return
        return None
    try:
        text = ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        raise InvalidOutput(f"{what} is not JSON: {_culprit_of(value)}.") from None
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > OUTPUT_LIMIT:
        raise InvalidOutput(f"{what} has {size:,} bytes of JSON; at most {OUTPUT_LIMIT:,} fit.")
    if not is_storable(text):
        raise InvalidOutput(f"{what} holds a NUL or a lone surrogate, which cannot be stored.")
    return _as_read_back(load_masked(text))


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can keep this JSON text: no NUL, no half of a character."""
    return is_text(text) and not ("\\u0000" in text and NUL.search(text))


def is_text(text: str) -> bool:
    """Whether PostgreSQL can keep this text: no NUL, no half of a character."""
    return "\0" not in text and (text.isascii() or not SURROGATE.search(text))


def copied(value: Any) -> Any:
    """A JSON value of one's own: `copy.deepcopy` looks for more than JSON can hold."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def _as_read_back(value: Any) -> Any:
    """What jsonb makes of a value: keys in its order (by length, then bytes), whole numbers
    written out, no negative zero."""
    if isinstance(value, dict):
        return {key: _as_read_back(value[key]) for key in sorted(value, key=_jsonb_order)}
    if isinstance(value, list):
        return [_as_read_back(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value) if "e" in repr(value) else value + 0.0
    return value


def _jsonb_order(key: str) -> tuple[int, bytes]:
    written = key.encode()
    return len(written), written


def _culprit_of(value: Any) -> str:
    try:
        return _culprit(value)
    except RecursionError:
        return "it holds itself, or is nested too deeply"


def _culprit(value: Any, path: str = "it") -> str:
    """Where the first thing lies that JSON has no word for, e.g. “it["when"] is a datetime”."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str | int | float | bool | type(None)):
                return f"{path} has a key of type {type(key).__name__}"
            if not _is_json(item):
                return _culprit(item, f"{path}[{key!r}]")
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if not _is_json(item):
                return _culprit(item, f"{path}[{index}]")
    if isinstance(value, float) and not math.isfinite(value):
        return f"{path} is {value}"
    return f"{path} is of type {type(value).__name__}"


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
