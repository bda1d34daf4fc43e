"""What steps have really done, in rows that the engine knows nothing of."""

from __future__ import annotations

from django.db import connection, models
from django.db.models import Func


class Effect(models.Model):
    """One row for each time that a step's body came to its end and was not undone."""

    run_id = models.UUIDField()
    line = models.CharField(max_length=200)  # function and concurrency key: one run at a time
    step = models.CharField(max_length=200)
    at = models.DateTimeField(
        db_default=Func(function="clock_timestamp", output_field=models.DateTimeField())
    )
    monotonic = models.FloatField()
    is_counted = models.BooleanField()  # its line's counter was raised in the same transaction

    def __str__(self) -> str:
        return f"{self.line} {self.step} of run {self.run_id}"


class Counter(models.Model):
    """How many effects a line has had, counted by the steps themselves."""

    line = models.CharField(max_length=200, primary_key=True)
    count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.line}: {self.count}"


TABLES = [Effect, Counter]


def make_tables() -> None:
    drop_tables()
    with connection.schema_editor() as editor:
        for model in TABLES:
            editor.create_model(model)


def drop_tables() -> None:
    with connection.cursor() as cursor:
        for model in TABLES:
            cursor.execute(f'DROP TABLE IF EXISTS "{model._meta.db_table}"')
