from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from jobs.lib.durations import Duration

IfRunning = Literal["start", "skip"]
IF_RUNNING: tuple[str, ...] = get_args(IfRunning)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent:
    """Start a run for each event of this name (`*`: any characters) for which `if_exp`, a CEL
    expression over `event`, is true.

    `data` is the type of the event's data: a dataclass, a TypedDict, a pydantic model. Unfit data
    is refused when it is sent, and `ctx.event.data` is of that type.
    """

    event: str
    if_exp: str | None = None
    data: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """Allow `limit` started, unfinished runs for each value of `key`, a CEL expression over
    `event`; without a key, for the whole function.
    """

    limit: int
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCron:
    """Start a run at each tick of a cron line: five fields, in UTC or after a time zone,
    `TZ=Europe/Paris 0 12 * * 5` (see cron_expression.py).

    With `if_running="skip"` a tick starts no run while one of its function is unfinished. By
    default ("start") only an earlier tick's run that waits for its turn prevents it.
    """

    cron: str
    if_running: IfRunning = "start"


Trigger = TriggerEvent | TriggerCron


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel unfinished runs whose own event came before one of this name, if `if_exp` (over
    `event`, the run's, and `async`, the cancelling one) is true; with `timeout`, only runs that
    could first start no longer ago.
    """

    event: str
    if_exp: str | None = None
    timeout: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Cancel a run that has not started `start` after it could, or not ended `finish` after it
    started (seconds or timedeltas, at most 366 days). A running step is not interrupted.

    A run could start when its event was due, an operator reran it, or its function was resumed;
    waits for a turn, a worker, or a cluster with its function count.
    """

    start: Duration | None = None
    finish: Duration | None = None
