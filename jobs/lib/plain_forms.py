"""How a value that is no JSON is written.

    a Decimal, a UUID, a date, a time, a datetime, a duration   as DjangoJSONEncoder writes it
    a member of an enumeration                                  its value
    a dataclass                                                 an object of its fields
    a model of pydantic, or what else has a `model_dump`        what that gives for JSON, by alias

The first two are written so as an object's names, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder

DJANGO = DjangoJSONEncoder()
NAMES = (Decimal, UUID, datetime, date, time, timedelta)  # that a name may be


def plain_form(value: Any) -> Any:
    """One level; raises TypeError or ValueError without one."""
    if isinstance(value, Enum):
        return value.value
    if is_record(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    dump = dump_of(value)
    if dump is not None:
        return dump(mode="json", by_alias=True)
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"{value} is no number")
    return DJANGO.default(value)


def is_record(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def dump_of(value: Any) -> Callable[..., Any] | None:
    """pydantic need not be there."""
    if isinstance(value, type) or not hasattr(type(value), "model_dump"):
        return None
    dump: Callable[..., Any] = value.model_dump
    return dump


def with_text_keys(value: Any) -> Any:
    """The value with objects' names as texts."""
    if isinstance(value, dict):
        return {_name(key): with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_text_keys(item) for item in value]
    if is_record(value) or (isinstance(value, Enum) and not isinstance(value, str | int | float)):
        return with_text_keys(plain_form(value))
    return value


def _name(key: Any) -> Any:
    if isinstance(key, Enum):
        return _name(key.value)
    return plain_form(key) if isinstance(key, NAMES) else key


WRITER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, default=plain_form)
