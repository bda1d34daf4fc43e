"""What a function may be given: its triggers, limits and times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

IfRunning = Literal["start", "skip"]
IF_RUNNING: tuple[str, ...] = get_args(IfRunning)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent:
    """Start a run for each event of this name (`*` stands for any characters) for which `if_exp`,
    a CEL expression over `event`, is true."""

    event: str
    if_exp: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """At most `limit` unfinished started runs that share the value of `key`, a CEL expression
    over `event`; without a key, of the function as a whole."""

    limit: int
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCron:
    """Start a run at each tick of a cron line: five fields, in UTC unless a time zone stands
    before them, `TZ=Europe/Paris 0 12 * * 5` (see cron_expression.py).

    With `if_running="skip"` a tick starts none while any run of its function is unfinished. With
    "start", the default, it does, unless the run of an earlier tick still waits for its turn.
    """

    cron: str
    if_running: IfRunning = "start"


Trigger = TriggerEvent | TriggerCron


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel the unfinished runs whose own event came before an event of this name, if `if_exp`
    (over `event`, the run's, and `async`, the cancelling one) is true; with `timeout`, only
    those that could first start no longer ago than that."""

    event: str
    if_exp: str | None = None
    timeout: timedelta | float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Cancel a run that has not started `start` after it could, or not ended `finish` after it
    started (timedeltas or seconds, at most 366 days). A step that is running is not interrupted.

    A run could start when its event was due, when a person ran it again, when its function was
    resumed. Waiting for a turn, for a worker or for a cluster that knows its function counts.
    """

    start: timedelta | float | None = None
    finish: timedelta | float | None = None


def seconds(span: timedelta | float) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else float(span)
