"""What the address of the events' list asks for, and the events found."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Q, QuerySet
from django.http import QueryDict

from jobs.admin.base import as_uuid
from jobs.ids import first_id
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.json_values import is_text
from jobs.metrics.spans import InvalidSpan, Span, span_of
from jobs.models import Event, Run, RunStatus

ON_A_PAGE = 50
MAX_RUNS = 100  # newest runs in a state, for the filter by runs
MAX_MATCHING = 20  # names found by a search
STATES = {
    "pending": "still pending",
    RunStatus.COMPLETED.value: "with a completed run",
    RunStatus.FAILED.value: "with a failed run",
}
NEWEST = """
SELECT e.id FROM unnest(%(names)s::text[]) AS wanted(name) CROSS JOIN LATERAL (
  SELECT id FROM jobs_event WHERE name = wanted.name AND id >= %(first)s AND id < %(before)s
   ORDER BY id DESC LIMIT %(most)s) AS e
 ORDER BY e.id DESC LIMIT %(most)s
"""
FIRST, LAST = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)


@dataclass(slots=True)
class EventQuery:
    """`problems` has a sentence for each parameter left out because it cannot be meant."""

    span: Span | None = None  # None: any time
    name: str = ""
    runs: str = ""  # of STATES; empty: any
    term: str = ""
    before: uuid.UUID = LAST
    problems: list[str] = field(default_factory=list)

    def address(self, **changes: str) -> str:
        """The query string with these changes, from the first page."""
        span = self.span.key if self.span else ""
        asked = {"span": span, "name": self.name, "runs": self.runs, "q": self.term} | changes
        return "?" + urlencode({key: value for key, value in asked.items() if value})


def read(given: QueryDict) -> EventQuery:
    query = EventQuery()
    try:
        query.span = span_of(given.get("span", "")) if given.get("span") else None
    except InvalidSpan as error:
        query.problems.append(f"{error} Events of any time are listed.")
    query.name = _text(query, given.get("name", ""), "an event's name")
    query.term = _text(query, given.get("q", "").strip(), "something to search for")
    query.runs = given.get("runs", "")
    if query.runs and query.runs not in STATES:
        allowed = ", ".join(STATES)
        query.problems.append(f"Runs cannot be {quoted(query.runs, 40)}; {allowed} are allowed.")
        query.runs = ""
    if before := given.get("before", ""):
        identifier = as_uuid(before)
        if identifier is None:
            query.problems.append(f"{quoted(before, 40)} is no event's id.")
        query.before = identifier or LAST
    return query


def _text(query: EventQuery, text: str, what: str) -> str:
    if len(text) <= 1_000 and is_text(text):
        return text
    query.problems.append(f"{quoted(text, 60)} is not {what}: it cannot be stored.")
    return ""


@dataclass(frozen=True, slots=True)
class Found:
    """At most ON_A_PAGE events, newest first. `searched` is a sentence on what was looked through;
    the next page begins before the id `older`."""

    events: list[Event]
    searched: str = ""
    older: uuid.UUID | None = None


def found(query: EventQuery, names: Sequence[str], now: datetime) -> Found:
    """A search goes through `names`. Three queries at most."""
    rows, searched = _asked(query, names, now)
    if query.runs:
        runs = "unfinished" if query.runs == "pending" else query.runs
        searched = f"{searched} Looked through the newest {MAX_RUNS} {runs} runs.".strip()
    events = list(rows.defer("data", "repeat").order_by("-id")[: ON_A_PAGE + 1])
    older = events[ON_A_PAGE - 1].pk if len(events) > ON_A_PAGE else None
    return Found(events[:ON_A_PAGE], searched, older)


def _asked(query: EventQuery, names: Sequence[str], now: datetime) -> tuple[QuerySet[Event], str]:
    since = first_id(now - query.span.length) if query.span else FIRST
    rows = Event.objects.filter(id__gte=since, id__lt=query.before)
    if query.runs:
        rows = rows.filter(id__in=_events_of_runs(query.runs))
    wanted, searched = [query.name] if query.name else [], ""
    if query.term:
        one = Event.objects.filter(_is(query.term)).values_list("id", flat=True)[:ON_A_PAGE]
        if ids := list(one):
            return rows.filter(id__in=ids), f"Found by its id or its sender's id, “{query.term}”."
        wanted, searched = _by_name(query, names)
    if not wanted:
        return (rows.none() if query.term else rows), searched
    if query.runs:
        return rows.filter(name__in=wanted), searched
    return rows.filter(id__in=_newest(wanted, since, query.before)), searched


def _is(term: str) -> Q:
    identifier = as_uuid(term)
    by_sender = Q(dedupe_id=term) & ~Q(dedupe_id="")
    return by_sender if identifier is None else Q(id=identifier) | by_sender


def _by_name(query: EventQuery, names: Sequence[str]) -> tuple[list[str], str]:
    shown = excerpt(query.term, 80)
    tried = f"No event has the id or the sender's id “{shown}”."
    within = [query.name] if query.name else names
    part = query.term.casefold()
    matching = [name for name in within if part in name.casefold()][:MAX_MATCHING]
    if matching:
        listed = ", ".join(f"“{excerpt(name, 60)}”" for name in matching[:5])
        more = f" and {len(matching) - 5} more names" if len(matching) > 5 else ""
        return matching, f"{tried} These are events whose name contains it: {listed}{more}."
    return [], f"{tried} Nor does one of {len(within):,} names contain it. Data are not searched."


def _events_of_runs(state: str) -> list[uuid.UUID]:
    """Read first: in a join, PostgreSQL might look for each event's runs."""
    wanted = {"ended_at__isnull": True} if state == "pending" else {"status": state}
    runs = Run.objects.filter(**wanted).order_by("-id")
    return list(runs.values_list("event_id", flat=True)[:MAX_RUNS])


def _newest(names: list[str], first: uuid.UUID, before: uuid.UUID) -> list[uuid.UUID]:
    asked: dict[str, Any] = {
        "names": names,
        "first": first,
        "before": before,
        "most": ON_A_PAGE + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, asked)
        return [identifier for (identifier,) in cursor.fetchall()]
