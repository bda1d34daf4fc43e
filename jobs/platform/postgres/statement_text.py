"""A statement in PostgreSQL's notation: `$1` for the engine's `%(name)s` or Django's `%s`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from jobs.platform.postgres.psycopg_internals import Key

PLANNED = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
NAMED = re.compile(r"%%|%\((\w+)\)s")
POSITIONAL = re.compile(r"%%|%s")


class Bound(NamedTuple):
    """A cursor's statement with its values, as libpq takes them."""

    key: Key
    values: Sequence[Any]
    formats: Any


@lru_cache(maxsize=256)
def compile_statement(text: str) -> tuple[bytes, list[str], bool]:
    """The text, its values' names in order, and whether it is planned."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "%"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    query = NAMED.sub(number, text)
    return query.encode(), names, query.split(None, 1)[0] in PLANNED


@lru_cache(maxsize=256)
def compile_positional(text: str) -> tuple[bytes, int]:
    """The text, and how many values it takes."""
    count = 0

    def number(match: re.Match[str]) -> str:
        nonlocal count
        if match[0] == "%%":
            return "%"
        count += 1
        return f"${count}"

    return POSITIONAL.sub(number, text).encode(), count
