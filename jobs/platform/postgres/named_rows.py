"""Rows of the panel's statements, read by their columns' names. (The engine's: query.)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import connection

R = TypeVar("R")


def named_rows(row: Callable[..., R], text: str, values: Mapping[str, Any]) -> list[R]:
    """Execute by Django's cursor. Each column is the argument of `row` with its name; TypeError
    if there is none.
    """
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        names = [column.name for column in cursor.description]
        return [row(**dict(zip(names, found, strict=True))) for found in cursor.fetchall()]
