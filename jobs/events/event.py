from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs import models
from jobs.events.insertion import NewEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact to send, or the one that a run was started by.

    `data` is a JSON object; `id` the sender's own, by which a repeat within 24 h is recognised;
    `ts` its time, in Unix milliseconds or as an aware datetime; its runs wait for a future time.
    """

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    ts: int | datetime = 0

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "data": self.data, "id": self.id, "ts": milliseconds(self.ts)}


def milliseconds(ts: int | datetime) -> int:
    return round(ts.timestamp() * 1000) if isinstance(ts, datetime) else ts


def as_json(row: models.Event) -> dict[str, Any]:
    """A stored event as functions and expressions see it."""
    return {
        "name": row.name,
        "data": row.data,
        "id": row.dedupe_id or str(row.id),
        "ts": milliseconds(row.ts),
    }


def stored(event: Event, row: NewEvent | models.Event) -> dict[str, Any]:
    """An accepted event as functions and expressions see it."""
    ts = milliseconds(event.ts) or time.time_ns() // 1_000_000
    return {"name": event.name, "data": event.data, "id": event.id or str(row.id), "ts": ts}
