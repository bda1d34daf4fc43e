"""Sleeping runs by the thousand, in seconds: each a copy of one that really went to sleep."""

from __future__ import annotations

from typing import Any

from django.db import connection

from jobs.models import Event, Run, Step

# An id of its own for each copy: random ones, in the place of the template's.
IDS = """
CREATE TEMPORARY TABLE sleeper ON COMMIT DROP AS
SELECT n, gen_random_uuid() AS id FROM generate_series(1, %s) n
"""


def make_sleepers(like: Run, count: int) -> None:
    """`count` runs that sleep as `like` does, each with its event and its step."""
    with connection.cursor() as cursor:
        cursor.execute(IDS, [count])
        _copy(cursor, Event, like.event_id, {"id": "s.id"})
        _copy(cursor, Run, like.id, {"id": "s.id", "event_id": "s.id"})
        _copy(cursor, Step, like.steps.get().id, {"id": "s.id", "run_id": "s.id"})
        cursor.execute("DROP TABLE sleeper")
        for model in (Event, Run, Step):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def _copy(cursor: Any, model: Any, like: Any, values: dict[str, str]) -> None:
    columns = [field.column for field in model._meta.concrete_fields]
    names = ", ".join(f'"{column}"' for column in columns)
    selected = ", ".join(values.get(column, f't."{column}"') for column in columns)
    table = model._meta.db_table
    copies = f"SELECT {selected} FROM sleeper s, {table} t WHERE t.id = %s"
    cursor.execute(f"INSERT INTO {table} ({names}) {copies}", [like])
