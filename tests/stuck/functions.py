from __future__ import annotations

import itertools
import time

from django.db import connection

from jobs.api import Context, TriggerEvent, create_function


@create_function(fn_id="hold", trigger=TriggerEvent(event="test/hold"), retries=0)
def hold(ctx: Context) -> None:
    """A step between two others that takes its worker for a while."""
    ctx.step.run("before", int)
    ctx.step.run("hold", time.sleep, ctx.event.data["seconds"], atomic=False)
    ctx.step.run("after", int)


@create_function(fn_id="deaf", trigger=TriggerEvent(event="test/deaf"), retries=0)
def deaf(ctx: Context) -> None:
    """A step that never comes back from C, where no signal handler of Python's runs."""
    ctx.step.run("count", sum, itertools.repeat(1))


@create_function(fn_id="slow-statement", trigger=TriggerEvent(event="test/slow"), retries=0)
def slow_statement(ctx: Context) -> None:
    """A step whose statement takes the database for a while."""
    ctx.step.run("ask", ask, ctx.event.data["seconds"])


def ask(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
