"""Functions that are interrupted: how to play them to their end, and what tests look at then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection

from jobs.api import Context
from jobs.models import Run
from jobs.testing import drain, travel
from songs.models import Category
from tests.support.functions import go, registered, the_run

Body = Callable[[], Any]


def play(handler: Callable[[Context], Any], **options: Any) -> Run:
    """To its end, with all its retries; drain() itself finds a circle."""
    with registered(handler, **{"retries": 1, "backoff": [1], **options}):
        go()
        for _ in range(4):
            drain(limit=30)
            travel(timedelta(seconds=2))
    return the_run()


def errors(run: Run) -> list[tuple[str, str]]:
    found = run.attempts.filter(status="error")
    return list(found.values_list("step_name", "error_class"))


def create(name: str) -> None:
    Category.objects.create(name=name, folded=f"{name} {Category.objects.count()}")


def sql(statement: str) -> Body:
    def body() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return body


def cut_off() -> None:
    sql("SELECT pg_terminate_backend(pg_backend_pid())")()
