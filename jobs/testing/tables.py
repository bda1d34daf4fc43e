"""`Tables` remembers all rows of all models; `restore` puts them back. `facts` compares two lives
that began so: values that differ each time are left out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from jobs.testing.stories import without_ids

# They differ by life; keys are compared in another way.
INCOMPARABLE = (models.DateTimeField, models.TimeField, models.UUIDField)
Row = dict[str, Any]


class Tables:
    def __init__(self, ignore: Collection[str] = ()) -> None:
        """`ignore` names columns not to compare: “shop_order.seed”. Raises ValueError for an
        unknown one.
        """
        found = apps.get_models(include_auto_created=True)
        self._models = {m._meta.db_table: m for m in found if m._meta.managed and not m._meta.proxy}
        columns = {
            f"{table}.{column}" for table, m in self._models.items() for column in _columns(m)
        }
        if unknown := sorted(set(ignore) - columns):
            raise ValueError(f"ignore={unknown}: no table has this column (“shop_order.seed”).")
        self._ignored = set(ignore)
        self._saved = self._read()
        self._known = {
            table: {str(row[m._meta.pk.column]) for row in json.loads(self._saved[table])}
            for table, m in self._models.items()
        }

    def restore(self) -> None:
        """Foreign keys are checked at the transaction's end."""
        with transaction.atomic(), connection.cursor() as cursor:
            there = self._read()
            changed = [table for table, rows in self._saved.items() if there[table] != rows]
            for table in changed:
                cursor.execute(f"DELETE FROM {_quoted(table)}")  # noqa: S608
            for table in changed:
                self._write(cursor, table)

    def facts(self) -> dict[str, Counter[Any]]:
        """How often each of the site's own tables (not the engine's) has which row."""
        return {
            m._meta.label: Counter(self._row(m, row) for row in json.loads(rows))
            for m, rows in ((self._models[table], rows) for table, rows in self._read().items())
            if m._meta.app_label != "jobs"
        }

    def _read(self) -> dict[str, str]:
        """As JSON, in one statement."""
        each = (
            f"SELECT '{table}', coalesce(json_agg(t ORDER BY t::text), '[]')::text"  # noqa: S608
            f" FROM {_quoted(table)} t"
            for table in self._models
        )
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(each))
            return dict(cursor.fetchall())

    def _write(self, cursor: Any, table: str) -> None:
        columns = ", ".join(map(_quoted, _columns(self._models[table])))
        cursor.execute(
            f"INSERT INTO {_quoted(table)} ({columns}) SELECT {columns}"  # noqa: S608
            f" FROM json_populate_recordset(NULL::{_quoted(table)}, %s::json)",
            [self._saved[table]],
        )

    def _row(self, model: type[models.Model], row: Row) -> tuple[str, ...]:
        return tuple(self._values(model, row))

    def _values(self, model: type[models.Model], row: Row) -> Iterator[str]:
        """“amount=-1”; a row that was there before is told by its key."""
        table = model._meta.db_table
        for field in model._meta.concrete_fields:
            if f"{table}.{field.column}" in self._ignored:
                continue
            value = row[str(field.column)]
            if field.primary_key or field.remote_field:
                known = self._known.get(_table_of(field), set())
                if value is not None and str(value) not in known:
                    value = "new"
            elif isinstance(field, INCOMPARABLE):
                continue
            yield f"{field.column}={without_ids(value if isinstance(value, str) else str(value))}"


def _table_of(field: Any) -> str:
    model = field.remote_field.model if field.remote_field else field.model
    return str(model._meta.db_table)


def _columns(model: type[models.Model]) -> list[str]:
    return [
        str(f.column) for f in model._meta.concrete_fields if not getattr(f, "generated", False)
    ]


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
