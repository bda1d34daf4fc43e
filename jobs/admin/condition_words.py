"""A function's conditions and keys that had no value for events, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.control.permission_names import VIEW_EVENT, VIEW_PAYLOAD
from jobs.lib.excerpts import excerpt
from jobs.metrics.conditions import Place, of_function
from jobs.models import ConditionProblem, Event, RegisteredFunction

EFFECTS: dict[str, str] = {
    Place.TRIGGER: "Such an event starts no run.",
    Place.KEY: "The key is then null, so all such runs stand in one line.",
    Place.CANCEL_ON: "Such an event cancels no run.",
}
REASON_LIMIT = 400


@dataclass(frozen=True, slots=True)
class ConditionLine:
    place: str
    expression: str
    said: str  # “cannot be evaluated”, “reads a field that is not there”
    often: str
    first: datetime
    last: datetime
    effect: str
    reason: str  # may quote the event: empty for an account that may not see payloads
    event_id: UUID | None  # None if gone, or hidden from the account
    is_mistake: bool


def conditions_of(function: RegisteredFunction, user: Any) -> list[ConditionLine]:
    """Two queries at most."""
    rows = of_function(function)
    there: set[UUID] = set()
    if rows and user.has_perm(VIEW_EVENT):
        events = Event.objects.filter(id__in=[row.event_id for row in rows])
        there = set(events.values_list("id", flat=True))
    return [_line(row, there, may_see=user.has_perm(VIEW_PAYLOAD)) for row in rows]


def _line(row: ConditionProblem, there: set[UUID], *, may_see: bool) -> ConditionLine:
    return ConditionLine(
        place=row.get_place_display(),
        expression=excerpt(row.expression, REASON_LIMIT),
        said="cannot be evaluated" if row.is_mistake else "reads a field that was not there",
        often="once" if row.count == 1 else f"{row.count:,} times at least",
        first=row.first_at,
        last=row.last_at,
        effect=EFFECTS[row.place],
        reason=_reason(row) if may_see else "",
        event_id=row.event_id if row.event_id in there else None,
        is_mistake=row.is_mistake,
    )


def _reason(row: ConditionProblem) -> str:
    """Without the expression, which stands beside it."""
    told = excerpt(row.reason, REASON_LIMIT)
    rest = told.removeprefix(f"“{row.expression}” ")
    return f"It {rest}" if rest != told else told
