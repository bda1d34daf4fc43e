"""Ids of events, as an app gives them."""

from __future__ import annotations

import uuid
from typing import Any

from jobs.errors import InvalidEvent
from jobs.ids import as_id
from jobs.lib.excerpts import quoted


def event_ids_of(given: Any, asked: str) -> list[uuid.UUID]:
    """`asked` is the function of jobs.api that was called. Raises InvalidEvent for what is no
    id."""
    if isinstance(given, str | uuid.UUID):
        raise InvalidEvent(f"{asked} takes a list of ids of events, not {quoted(str(given))}.")
    return [_event_id(one) for one in given]


def _event_id(given: Any) -> uuid.UUID:
    known = as_id(given)
    if known is None:
        raise InvalidEvent(f"{quoted(given)} is not the id of an event, as send returns it.")
    return known
