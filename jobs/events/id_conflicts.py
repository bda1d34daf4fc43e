"""An event with an id that came before, with another name or other data."""

from __future__ import annotations

import logging
from typing import Any

from django.utils import timezone

from jobs import models
from jobs.errors import InvalidEvent
from jobs.events.deduplication import KnownEvent
from jobs.events.insertion import NewEvent
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.json_values import ENCODER

logger = logging.getLogger("jobs.engine")

MAX_NOTED = 2_000  # characters
MAX_NAMES = 10


def check_repeat(first: NewEvent | KnownEvent, name: str, data: dict[str, Any]) -> None:
    """Judge an event against the first of its id within 24 hours; it starts nothing.

    1. Another name is another fact, which would be lost: InvalidEvent.
    2. Other data are noted on the first event's row and in the log, under the caller's lock on the
       id.
    """
    if name != first.name:
        raise InvalidEvent(
            f"Event “{name}” has the id {quoted(first.dedupe_id)} of an event “{first.name}” of "
            "the last 24 hours. One id is for one fact: give this one an id of its own, such as "
            f"“{name}:{excerpt(first.dedupe_id, 80)}”."
        )
    now = ENCODER.encode(data)
    if first.text != now and ENCODER.encode(first.data) != now:
        _note(first, now)
        logger.warning(
            "Event “%s” with the id %s came again with other data (%s) and starts nothing: event "
            "%s, the first of this id within 24 hours, stands.",
            name,
            quoted(first.dedupe_id),
            _differences(first.data, data),
            first.id,
        )


def _note(first: NewEvent | KnownEvent, text: str) -> None:
    count = (first.repeat or {}).get("count", 0) + 1
    data = excerpt(text, MAX_NOTED)
    repeat = {"count": count, "at": timezone.now().isoformat(), "data": data}
    if isinstance(first, NewEvent):
        first.repeat = repeat
    else:
        first.repeated = ENCODER.encode(repeat)
        models.Event.objects.filter(pk=first.id).update(repeat=repeat)


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    names = [
        name
        for name in before | now
        if name not in before or name not in now or _text(before[name]) != _text(now[name])
    ]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(excerpt(name, 80) for name in names[:MAX_NAMES]) + more


def _text(value: Any) -> str:
    return ENCODER.encode(value)
