"""Which part of a value is no JSON: “it['song'].price is of type Song”."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Any

from django.db.models import Model
from django.db.models.sql import Query

from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.plain_forms import NAMES, WRITER, dump_of, is_record, plain_form, with_text_keys

# Levels of lists and objects: code that descends makes a call each, of Python's thousand.
MAX_LEVELS = 512
# Expressions refuse larger numbers; Python's limit (4,300 digits) may differ by process.
LARGEST = "1.8e308"
TOO_LARGE = f"which is too large; at most {LARGEST} is allowed"
ALLOWED = (
    "texts, numbers, true, false, None, Decimal, dates and times, UUID, enumerations, lists, "
    "tuples, dicts, dataclasses and pydantic's models are allowed"
)
FORM = (str, int, float, bool, type(None), Enum, *NAMES)


def culprit_of(value: Any) -> str:
    try:
        return _culprit(value)
    except RecursionError:
        return f"it holds itself, or is nested far deeper than the {MAX_LEVELS} levels allowed"
    except Exception as error:
        return f"it cannot be read ({type(error).__name__})"


def _culprit(value: Any, path: str = "it", levels: int = 1) -> str:
    if levels > MAX_LEVELS:
        raise RecursionError
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, FORM):
                return f"{path} has a key of type {type(key).__name__}"
            if not _is_json({key: None}):
                return f"{path} has a key that {_of_number(key)}"
            if not _is_json(item):
                return _culprit(item, f"{path}[{quoted(key)}]", levels + 1)
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if not _is_json(item):
                return _culprit(item, f"{path}[{index}]", levels + 1)
    if is_record(value):
        for name, item in plain_form(value).items():
            if not _is_json(item):
                return _culprit(item, f"{path}.{name}", levels + 1)
    if isinstance(value, Enum) and not _is_json(value.value):
        return _culprit(value.value, f"{path}.value", levels + 1)
    if dump_of(value) is not None:
        return _of_a_model(value, path)
    return f"{path} {_of_number(value)}"


def _of_a_model(value: Any, path: str) -> str:
    try:
        plain_form(value)
    except Exception as error:
        why = excerpt(f"{type(error).__name__}: {error}", 200)
        return f"{path}, a {type(value).__name__}, cannot be written ({why})"
    return f"{path}, a {type(value).__name__}, writes what is no JSON"


def _of_number(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}"
    if isinstance(value, Decimal) and not value.is_finite():
        return f"is {value}, no number"
    if isinstance(value, int):
        return f"is a whole number of very many digits, {TOO_LARGE}"
    return f"is of type {type(value).__name__}; {_advice(value) or ALLOWED}"


def _advice(value: Any) -> str:
    """What an author meant to keep."""
    if isinstance(value, set | frozenset):
        return "a set has no order, so make it a list: sorted(…)"
    if isinstance(value, Iterator):
        return "make it a list: list(…)"
    if isinstance(getattr(value, "query", None), Query):
        return "keep what is read of the rows: list(rows.values_list(…))"
    if isinstance(value, Model):
        return "keep the row's key, and read the row in the step that needs it"
    return ""


def _is_json(value: Any) -> bool:
    try:
        WRITER.encode(with_text_keys(value))
    except (TypeError, ValueError, RecursionError):
        return False
    return True
