"""A statement whose rows are read by name: the row class's fields are its columns, in order. A test
compares each Query with PostgreSQL's description: a moved or added column is an error there, no
wrong value here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any, Generic, TypeVar, get_type_hints

from jobs.platform.postgres import statements
from jobs.platform.postgres.statements import Rows, Statement

R = TypeVar("R")
NO_COLUMN = {"is_column": False}  # a dataclass's field without a column

queries: list[Query[Any]] = []  # for the test


class Query(Generic[R]):
    """A statement and its rows' class: a NamedTuple, whose last fields may be such rows or
    dataclasses.
    """

    def __init__(self, text: str, row: type[R]) -> None:
        self.text = text
        self.columns = columns_of(row)
        self._read = _reader(row)
        queries.append(self)

    def execute(self, values: Mapping[str, Any]) -> list[R]:
        return self.rows(statements.execute(self.text, values))

    def execute_nowait(self, values: Mapping[str, Any]) -> list[R]:
        return self.rows(statements.execute_nowait(self.text, values))

    def asked(self, values: Mapping[str, Any]) -> Statement:
        """To be sent with others; `rows` reads the result."""
        return self.text, values

    def rows(self, found: Rows) -> list[R]:
        return list(map(self._read, found))


def columns_of(row: type) -> list[str]:
    if is_dataclass(row):
        return [f.name for f in fields(row) if f.metadata.get("is_column", True)]
    hints = get_type_hints(row)
    return [
        column
        for name in row._fields  # type: ignore[attr-defined]
        for column in (columns_of(hints[name]) if _is_row(hints[name]) else [name])
    ]


def _is_row(hint: Any) -> bool:
    return isinstance(hint, type) and (is_dataclass(hint) or hasattr(hint, "_fields"))


def _reader(row: Any) -> Callable[[Sequence[Any]], Any]:
    if not hasattr(row, "_fields"):
        return lambda values: row(*values)
    hints = get_type_hints(row)
    nested = [hints[name] for name in row._fields if _is_row(hints[name])]
    return _nested(row, nested) if nested else row._make


def _nested(row: Any, nested: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
    own = len(row._fields) - len(nested)
    parts = [(_reader(part), len(columns_of(part))) for part in nested]

    def read(values: Sequence[Any]) -> Any:
        left = iter(values)
        mine = list(islice(left, own))
        return row(*mine, *(make(tuple(islice(left, width))) for make, width in parts))

    return read
