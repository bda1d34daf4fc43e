from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from jobs import models
from jobs.events.insertion import NewEvent

if TYPE_CHECKING:  # a bare Event has JSON data; later Pythons' TypeVar says that too
    from typing_extensions import TypeVar

    D = TypeVar("D", default=dict[str, Any])
else:
    from typing import TypeVar

    D = TypeVar("D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[D]):
    """A fact to send, or the one that started a run.

    `data` is a JSON object: a dict, a dataclass or a model; in a run it is of the trigger's type.
    `id` is the sender's own, by which a repeat within 24 h is recognised; `ts` its time, in Unix
    milliseconds or as an aware datetime; its runs wait for a future time.
    """

    name: str
    data: D = field(default_factory=dict)  # type: ignore[assignment]
    id: str = ""
    ts: int | datetime = 0

    def as_json(self) -> dict[str, Any]:
        ts = milliseconds(self.ts)
        return {"name": self.name, "data": self.data, "id": self.id, "ts": ts}


@dataclass(frozen=True, slots=True)
class EventPayload:
    """An event as functions, expressions and hooks see it.

    `id` is the sender's own, or the row's; `ts` is in Unix milliseconds.
    """

    name: str
    data: dict[str, Any]
    id: str
    ts: int

    # The same in SQL.
    SQL: ClassVar[str] = """
         jsonb_build_object('name', name, 'data', data,
                            'id', coalesce(nullif(dedupe_id, ''), id::text),
                            'ts', round(extract(epoch FROM ts) * 1000)::bigint)
"""

    @classmethod
    def of_event(cls, event: Event, row: NewEvent | models.Event) -> EventPayload:
        ts = milliseconds(event.ts) or time.time_ns() // 1_000_000
        return cls(event.name, event.data, own_id(event.id, row.id), ts)

    @classmethod
    def of_row(cls, row: models.Event) -> EventPayload:
        return cls(row.name, row.data, own_id(row.dedupe_id, row.id), milliseconds(row.ts))

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "data": self.data, "id": self.id, "ts": self.ts}


def own_id(dedupe_id: str, row_id: uuid.UUID) -> str:
    return dedupe_id or str(row_id)


def milliseconds(ts: int | datetime) -> int:
    return round(ts.timestamp() * 1000) if isinstance(ts, datetime) else ts
