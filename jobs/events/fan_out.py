from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from jobs import models
from jobs.errors import InvalidExpression
from jobs.events import insertion, requester
from jobs.events.event import Event, stored
from jobs.events.insertion import NewEvent, NewRun
from jobs.platform.postgres import notifier, statements
from jobs.registry import catalog, expressions, options
from jobs.registry.function import Function
from jobs.registry.options import seconds

logger = logging.getLogger("jobs.events")


CANCELLER = "jobs-cancel-on"  # the engine's function behind cancel_on


def start(runs: Sequence[NewRun]) -> None:
    if runs:
        statements.execute(*insertion.inserting_runs(runs))
        notifier.wake_clusters(notifier.RUN_DUE)


def hold_if_paused(run: models.Run) -> None:
    """Queue an invoked run of a paused function until that is resumed (claim.BEFORE), since its
    invoker waits for it.
    """
    paused = models.RegisteredFunction.objects.filter(paused_at__isnull=False)
    if paused.filter(fn_id=run.fn_id).exists():
        run.reason, run.expires_at = models.Reason.PAUSED, None


def triggered_runs(event: Event, row: NewEvent) -> Iterable[NewRun]:
    variables: dict[str, Any] | None = None
    for function, triggers in catalog.triggered_by(event.name):
        if variables is None:
            variables = {"event": stored(event, row)}
        if any(_fires(trigger, function, variables) for trigger in triggers):
            yield new_run(function, row, variables["event"])
    if catalog.cancelled_by(event.name) and catalog.knows(CANCELLER):
        canceller = new_run(catalog.get(CANCELLER), row, stored(event, row))
        canceller.asked_by = requester.current_id()
        yield canceller


def _fires(trigger: options.TriggerEvent, function: Function, variables: dict[str, Any]) -> bool:
    if trigger.if_exp is None:
        return True
    where = f"trigger of “{function.fn_id}”, event {variables['event']['id']}"
    return expressions.holds(trigger.if_exp, variables, where)


def new_run(
    function: Function,
    row: NewEvent | models.Event,
    event: dict[str, Any],
    rerun_of: uuid.UUID | None = None,
) -> NewRun:
    """A run at the end of its lines, due at its event's time; a rerun now. `timeouts.start` counts
    from then.
    """
    start = function.timeouts.start
    return NewRun(
        fn_id=function.fn_id,
        event_id=row.id,
        turn_keys=turn_keys(function, event),
        turn_limits=[entry.limit for entry in function.concurrency],
        planned=row.ts if isinstance(row.ts, datetime) and rerun_of is None else None,
        start_within=None if start is None else seconds(start),
        rerun_of=rerun_of,
        asked_by=requester.named_id(),
    )


def turn_keys(function: Function, event: dict[str, Any]) -> list[str]:
    keys = []
    for number, entry in enumerate(function.concurrency):
        value = None
        if entry.key:
            try:
                value = expressions.evaluate(entry.key, {"event": event})
            except InvalidExpression as error:
                logger.warning(
                    "concurrency key of “%s”, event %s, taken as null: %s",
                    function.fn_id,
                    event["id"],
                    error,
                )
        keys.append(f"{function.fn_id}:{number}:{expressions.key_text(value)}")
    return keys
