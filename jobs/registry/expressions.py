"""CEL expressions (https://cel.dev), Inngest's `key` and `if`, over `event`, the triggering one, as
{"name", "data", "id", "ts"}, and `async`, the awaited one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jobs.errors import InvalidExpression
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.json_values import is_text
from jobs.lib.secrets import mask
from jobs.registry import cel_library
from jobs.registry.cel_library import cel
from jobs.registry.exact_numbers import exact, number_of

logger = logging.getLogger("jobs.expressions")

KEY_LIMIT = 200
# The library recurses for each operator: a chain of ten thousand crashes the process.
SOURCE_LIMIT = 4_000


class FieldAbsent(InvalidExpression):
    """The event lacks a field, or a list's place."""


def compile_expression(source: str) -> Any:
    """Raises InvalidExpression, with the column."""
    if not isinstance(source, str) or len(source) > SOURCE_LIMIT or not is_text(source):
        raise InvalidExpression(
            f"An expression is a text of at most {SOURCE_LIMIT:,} characters, none of them NUL or "
            f"half of one; not {quoted(source)}."
        )
    return _compile(source)


@lru_cache(maxsize=1024)
def _compile(source: str) -> Any:
    with _explained(f"“{source}” cannot be parsed"):
        try:
            return cel.compile(source)
        except ValueError as error:
            reason = cel_library.place_and_reason(error)
            raise InvalidExpression(f"“{source}” cannot be parsed {reason}") from None


def evaluate(source: str, variables: dict[str, Any]) -> Any:
    """Raises InvalidExpression without a value. A whole number beyond 64 bits is an object
    (exact_numbers.py).
    """
    program = compile_expression(source)
    with _explained(f"“{source}” has no value here"):
        return program.execute(exact(variables))


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """The library's panics are no Exceptions."""
    try:
        yield
    except InvalidExpression:
        raise
    except LookupError as error:
        raise FieldAbsent(f"{what}: {error} is not there.") from None
    except Exception as error:
        raise InvalidExpression(f"{what}: {cel_library.reason_in_short(error)}") from None
    except BaseException as error:
        if not cel_library.is_panic(error):
            raise
        raise InvalidExpression(f"{what}: {error}") from None


def holds(source: str, variables: dict[str, Any], where: str = "") -> bool:
    """Mistakes are logged, after `where`, once per process: a wait tests the same events
    repeatedly. An absent field is none.
    """
    reason = why_not(source, variables)
    if reason is None:
        return True
    if where and reason.is_mistake:
        warn(f"{where}: {reason.text}")
    return False


@dataclass(frozen=True, slots=True)
class WhyNot:
    text: str
    is_mistake: bool  # the expression does not fit what it met
    is_absent: bool = False  # a field


def why_not(source: str, variables: dict[str, Any]) -> WhyNot | None:
    """None if the condition is true."""
    try:
        value = evaluate(source, variables)
    except InvalidExpression as error:
        is_absent = isinstance(error, FieldAbsent)
        return WhyNot(str(error), is_mistake=not is_absent, is_absent=is_absent)
    if value is True:
        return None
    if value is False:
        return WhyNot(f"“{source}” is false.", is_mistake=False)
    return WhyNot(
        f"“{source}” is {excerpt(key_text(value), 80)}, neither true nor false.", is_mistake=True
    )


@lru_cache(maxsize=1024)
def warn(text: str) -> None:
    logger.warning("%s", text)


def key_text(value: Any) -> str:
    """As JSON, with a digest if long. Values that CEL calls equal share a text, others never."""
    text = mask(json.dumps(_as_json(value), sort_keys=True, ensure_ascii=False))
    if len(text) <= KEY_LIMIT:
        return text
    return f"{excerpt(text, 101)}{hashlib.sha256(text.encode()).hexdigest()}"


def _as_json(value: Any) -> Any:
    """A value outside JSON becomes an object with a name that JSON data cannot hold. One call per
    level (json_values.MAX_LEVELS).
    """
    if isinstance(value, list):
        return list(map(_as_json, value))
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, str | int):
        return value
    if not isinstance(value, dict):
        shown = value.hex() if isinstance(value, bytes) else str(value)
        return {f"\0{type(value).__name__}": shown}
    number = number_of(value)
    if number is not None:
        return number
    pairs: list[list[Any]] = []
    for name, item in value.items():
        pairs.append([_as_json(name), _as_json(item)])
    if all(isinstance(name, str) for name in value):
        return dict(pairs)
    return {"\0map": sorted(pairs, key=json.dumps)}
