"""CEL expressions over an event: compiled once, evaluated often, explained when they are wrong.

The syntax is that of Inngest's `key` and `if` (https://cel.dev); `event` is the triggering event
as {"name", "data", "id", "ts"}, `async` the event that is being waited for.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

import cel

from jobs.errors import InvalidExpression

KEY_LIMIT = 200


@lru_cache(maxsize=1024)
def compiled(source: str) -> Any:
    """The program of an expression; raises InvalidExpression, with the column, if it has none."""
    try:
        return cel.compile(source)
    except ValueError as error:
        reason = str(error).split("ERROR: ", 1)[-1].replace("<input>:", "at ", 1)
        raise InvalidExpression(f"“{source}” cannot be parsed {reason}") from None


def evaluate(source: str, variables: dict[str, Any]) -> Any:
    """The value of an expression; raises InvalidExpression if it has none for these variables."""
    program = compiled(source)
    try:
        return program.execute(variables)
    except Exception as error:  # the library passes on whatever its functions raise
        raise InvalidExpression(f"“{source}” has no value here: {error}") from None


def holds(source: str, variables: dict[str, Any]) -> bool:
    """Whether a condition is met; one that has no value for these variables is not."""
    try:
        return evaluate(source, variables) is True
    except InvalidExpression:
        return False


def key_text(value: Any) -> str:
    """A key's value as the text that runs share: JSON, shortened by a digest when it is long."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    if len(text) <= KEY_LIMIT:
        return text
    return f"{text[:100]}…{hashlib.sha256(text.encode()).hexdigest()}"
