from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_date, parse_datetime, parse_duration, parse_time

from jobs.lib.excerpts import quoted
from jobs.lib.json_values import decode, encode
from jobs.lib.numbers import is_number
from jobs.lib.shapes.shape import Misfit, Shape

MAX_SHOWN = 12  # members in a sentence


class Scalar(Shape):
    """`parse` gives None or raises for a misfit; `kind` may be the author's subclass."""

    def __init__(
        self,
        kind: type,
        words: str,
        schema: dict[str, Any],
        parse: Callable[[Any], Any],
        native: type | None = None,
    ) -> None:
        self.words, self._schema, self._parse = words, schema, parse
        self._kind, self._native = kind, native

    def of(self, kind: type) -> Scalar:
        return Scalar(kind, self.words, self._schema, self._parse, self._native)

    def read(self, value: Any, path: str) -> Any:
        try:
            found = self._parse(value)
            if found is not None and type(found) is not self._kind:
                found = self._kind(found)
        except Exception:  # the subclass may be particular
            found = None
        if found is None:
            raise Misfit(path, value, self.words)
        return found

    def takes(self, value: Any) -> bool:
        return self._native is not None and type(value) is self._native

    def schema(self) -> dict[str, Any]:
        return dict(self._schema)


class Nothing(Shape):
    words = "null"

    def read(self, value: Any, path: str) -> None:
        if value is not None:
            raise Misfit(path, value, self.words)

    def takes(self, value: Any) -> bool:
        return value is None

    def schema(self) -> dict[str, Any]:
        return {"type": "null"}


class Choice(Shape):
    """A Literal or an enumeration: each choice as it is written."""

    def __init__(self, choices: Sequence[Any]) -> None:
        self._choices = [(decode(encode(choice)), choice) for choice in choices]
        shown = [quoted(written) for written, _ in islice(self._choices, MAX_SHOWN)]
        more = ["…"] if len(self._choices) > MAX_SHOWN else []
        self.words = " or ".join(shown + more)

    def read(self, value: Any, path: str) -> Any:
        for written, choice in self._choices:
            if type(written) is type(value) and written == value:
                return choice
        raise Misfit(path, value, self.words)

    def takes(self, value: Any) -> bool:
        return any(type(w) is type(value) and w == value for w, _ in self._choices)

    def schema(self) -> dict[str, Any]:
        return {"enum": [written for written, _ in self._choices]}


def key_of(shape: Shape, name: str, path: str) -> Any:
    """JSON has only texts as an object's names."""
    try:
        return shape.read(name, path)
    except Misfit:
        try:
            return shape.read(json.loads(name), path)
        except (ValueError, RecursionError):  # a Misfit is a ValueError
            pass
        raise


def members(kind: type[Enum]) -> Choice:
    return Choice(list(kind))


def _whole(value: Any) -> int | None:
    if not is_number(value):
        return None
    return int(value) if value == int(value) else None


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = Decimal(repr(value) if isinstance(value, float) else value)
    return found if found.is_finite() else None


def _text(fmt: str) -> dict[str, Any]:
    return {"type": "string", "format": fmt}


SCALARS: dict[type, Scalar] = {
    str: Scalar(str, "a text", {"type": "string"}, lambda v: v if type(v) is str else None, str),
    bool: Scalar(
        bool, "true or false", {"type": "boolean"}, lambda v: v if type(v) is bool else None, bool
    ),
    int: Scalar(int, "a whole number", {"type": "integer"}, _whole, int),
    float: Scalar(float, "a number", {"type": "number"}, _number, float),
    Decimal: Scalar(
        Decimal,
        "a decimal number (“1.50”)",
        {"anyOf": [{"type": "number"}, _text("decimal")]},
        _decimal,
    ),
    datetime: Scalar(
        datetime, "a date and time (“2030-01-31T12:00:00Z”)", _text("date-time"), parse_datetime
    ),
    date: Scalar(date, "a date (“2030-01-31”)", _text("date"), parse_date),
    time: Scalar(time, "a time (“12:00:00”)", _text("time"), parse_time),
    timedelta: Scalar(timedelta, "a duration (“P0DT00H01M30S”)", _text("duration"), parse_duration),
    UUID: Scalar(UUID, "a UUID", _text("uuid"), lambda v: UUID(v) if type(v) is str else None),
}
