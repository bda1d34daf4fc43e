"""Cron lines in tests. Those of a test's own functions tick, others when the test asks for them:
what a test sees must not depend on its hour.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from jobs.errors import InvalidFunction
from jobs.maintenance import cron
from jobs.models import CronSchedule
from jobs.registry import catalog
from jobs.registry.function import Function

# Of `registered` blocks under way.
own: list[Function] = []


def note() -> None:
    """Before time passes: a line ticks from then on."""
    for function in own:
        if has_lines(function):
            start_cron(function)


def start_cron(*functions: Function | str) -> None:
    """From now on these functions' cron lines tick, as in a cluster: in each `drain` after a
    `travel` beyond their time. Ticks missed together are one.
    """
    for function in functions:
        known = _known(function)
        lines = {(known.fn_id, trigger.cron): trigger for trigger in catalog.cron_triggers(known)}
        if not lines:
            raise InvalidFunction(f"Function “{known.fn_id}” has no cron line that could tick.")
        cron.add(lines)


def tick(function: Function | str) -> None:
    """The time of a function's cron lines has come: start what a cluster would start, for `drain`
    to run.
    """
    start_cron(function)
    rows = CronSchedule.objects.filter(fn_id=_known(function).fn_id)
    rows.update(next_at=Now() - timedelta(milliseconds=1))
    cron.tick()


def has_lines(function: Function) -> bool:
    return bool(catalog.cron_triggers(function))


def _known(function: Function | str) -> Function:
    return function if isinstance(function, Function) else catalog.get(function)
