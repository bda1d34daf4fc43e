"""What an operator sends or starts by hand: an event, or a function's run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from jobs import models
from jobs.control.bulk import FUNCTION as BULK
from jobs.control.permission_names import CANCEL_RUN, SEND_EVENT
from jobs.errors import InvalidEvent, InvalidTransition
from jobs.events import fan_out, intake, requester, validation
from jobs.events.deduplication import KnownEvent
from jobs.events.event import Event
from jobs.lib.json_values import named
from jobs.registry import catalog
from jobs.registry.event_data import INVOKED_EVENT

TIMER = "jobs/scheduled.timer"  # the event of a cron tick
BY_ENGINE_ALONE = (BULK, fan_out.CANCELLER)


@dataclass(frozen=True, slots=True)
class Sent:
    """`is_known`: an event with this sender's id came within 24 hours; this one started nothing,
    and `id` is the earlier one's."""

    id: str
    is_known: bool


def checked(event: Event) -> Event:
    """The event as it would be stored. InvalidEvent; NotAllowed if it would cancel runs and the
    asker may cancel none."""
    clean = validation.validate(event)
    validation.refuse_reserved(clean)
    if catalog.cancelled_by(clean.name):
        requester.current().refuse(CANCEL_RUN)
    return clean


def send_by_hand(event: Event) -> Sent:
    """Send one event for the account that asks; see `send`. Also NotAllowed."""
    requester.current().refuse(SEND_EVENT)
    (row,) = intake.accept([checked(event)])
    return Sent(str(row.id), isinstance(row, KnownEvent))


def start_by_hand(fn_id: str, data: dict[str, Any], event_name: str = INVOKED_EVENT) -> str:
    """Start one run of a function, whatever triggers it; returns the run's id.

    Its own event triggers no other function. Raises UnknownFunction, InvalidEvent for data that
    cannot be stored, NotAllowed, and InvalidTransition while the function is paused and for
    functions that only the engine starts.
    """
    requester.current().refuse(SEND_EVENT)
    function = catalog.get(fn_id)
    if fn_id in BY_ENGINE_ALONE:
        raise InvalidTransition(f"The engine alone starts {named(fn_id)}.")
    if models.RegisteredFunction.objects.paused().filter(fn_id=fn_id).exists():
        raise InvalidTransition(f"{named(fn_id)} is paused. Resume it first.")
    try:
        sent = validation.validate(Event(name=event_name, data=data))
        catalog.read_data(function, event_name, sent.data)
    except InvalidEvent as error:
        if not error.data_problem:
            raise
        raise InvalidEvent(f"The data{error.data_problem}") from None
    with transaction.atomic():
        return str(intake.start_alone(function, sent))
