"""An event becomes runs: one of each function with a trigger that it meets, with the lines that the
run stands in. Intake writes them beside their event; `start` writes runs by themselves.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from jobs import models
from jobs.errors import InvalidExpression
from jobs.events import condition_problems, insertion, requester
from jobs.events.condition_problems import Place
from jobs.events.event import Event, EventPayload
from jobs.events.insertion import NewEvent, NewRun
from jobs.lib.durations import seconds
from jobs.platform.postgres import notifier, statements
from jobs.registry import catalog, event_data, expressions, options
from jobs.registry.expressions import WhyNot
from jobs.registry.function import Function

logger = logging.getLogger("jobs.events")


CANCELLER = "jobs-cancel-on"  # the engine's function behind cancel_on


def start(runs: Sequence[NewRun]) -> None:
    if runs:
        statements.execute(*insertion.insert_runs_statement(runs))
        condition_problems.report()
        notifier.tell_clusters(notifier.RUN_DUE)


def hold_if_paused(run: models.Run) -> None:
    """An invoked run waits until its paused function is resumed, and is not skipped
    (claim_row.STANDS_STILL).
    """
    if models.RegisteredFunction.objects.paused().filter(fn_id=run.fn_id).exists():
        run.reason, run.expires_at = models.Reason.PAUSED, None


def triggered_runs(event: Event, row: NewEvent) -> Iterable[NewRun]:
    """One per function, however many triggers match. Raises InvalidEvent for data that is not of a
    trigger's type.
    """
    payload = EventPayload.of_event(event, row)
    for function, triggers in catalog.triggered_by(event.name):
        fired = [trigger for trigger in triggers if _fires(trigger, function, payload, row.id)]
        if fired:
            kinds = [trigger.data for trigger in fired if trigger.data is not None]
            event_data.read(kinds, function.fn_id, event.name, event.data)
            yield new_run(function, row, payload)
    if catalog.cancelled_by(event.name) and catalog.knows(CANCELLER):
        canceller = new_run(catalog.get(CANCELLER), row, payload)
        canceller.asked_by = requester.current_id()
        yield canceller


def no_runs(event: Event, row: NewEvent) -> Iterable[NewRun]:
    return ()


def _fires(
    trigger: options.TriggerEvent, function: Function, payload: EventPayload, event_id: uuid.UUID
) -> bool:
    if trigger.if_exp is None:
        return True
    where = f"trigger of “{function.fn_id}”, event {payload.id}"
    variables, place = {"event": payload.as_json()}, Place.TRIGGER
    return condition_problems.holds(
        function.fn_id, place, trigger.if_exp, variables, event_id, where
    )


def new_run(
    function: Function,
    row: NewEvent | models.Event,
    payload: EventPayload,
    rerun_of: uuid.UUID | None = None,
) -> NewRun:
    """Due at its event's time, a rerun now; `timeouts.start` counts from then."""
    start = function.timeouts.start
    return NewRun(
        fn_id=function.fn_id,
        event_id=row.id,
        turn_keys=turn_keys(function, payload, row.id),
        turn_limits=[entry.limit for entry in function.concurrency],
        planned=row.ts if isinstance(row.ts, datetime) and rerun_of is None else None,
        start_within=None if start is None else seconds(start),
        rerun_of=rerun_of,
        asked_by=requester.named_id(),
    )


def turn_keys(function: Function, payload: EventPayload, event_id: uuid.UUID) -> list[str]:
    keys = []
    for number, entry in enumerate(function.concurrency):
        value = _key_value(entry.key, function.fn_id, payload, event_id) if entry.key else None
        keys.append(f"{function.fn_id}:{number}:{expressions.key_text(value)}")
    return keys


def _key_value(key: str, fn_id: str, payload: EventPayload, event_id: uuid.UUID) -> Any:
    try:
        return expressions.evaluate(key, {"event": payload.as_json()})
    except InvalidExpression as error:
        reason = WhyNot(str(error), is_mistake=True)
        condition_problems.note(fn_id, Place.KEY, key, event_id, reason)
        text = "concurrency key of “%s”, event %s, taken as null: %s"
        logger.warning(text, fn_id, payload.id, error)
        return None
