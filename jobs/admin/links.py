"""From runs to the project's things, which the engine does not know.

`JOBS` may name three callables by their dotted paths:

    def run_links(event_data: dict[str, Any]) -> list[tuple[str, str]]:
        return [("Song", reverse("admin:songs_song_change", args=[event_data["songId"]]))]

    def runs_about(user: User, events: list[Any]) -> list[list[tuple[str, str]]]: ...

    def run_search(user: User, text: str, most: int) -> list[UUID]: ...

`RUN_LINKS` gets the data of a run's event and returns (label, url) pairs. A run's page shows them
under “About” to accounts that may see payloads; without it the page asks `RUNS_ABOUT`.

`RUNS_ABOUT` gets the data of all events of a page of the list (None for data of more than MAX_BYTES
bytes) and returns such pairs for each, in the same order, for the column ABOUT. It should make a
few queries, not one a run, and leave out what the account may not see. A name that the account may
read and not open has an empty url.

`RUN_SEARCH` gets the text typed into the list's search, and returns the ids of the events that it
means, at most `most`.

They are called for all events, known to them or not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Func, IntegerField, When
from django.utils.module_loading import import_string

from jobs import conf
from jobs.control.permission_names import VIEW_PAYLOAD
from jobs.models import Event, Run

logger = logging.getLogger(__name__)
MAX_BYTES = 8_192  # bytes of an event's data, as the database stores them
MAX_FOUND = 200  # events by one search
Links = list[tuple[str, str]]


def run_links(user: Any, event_data: Any) -> Links:
    """For a run's page; a mistake of the project costs the links (and a log line), not the page.
    `RUN_LINKS` does not know the account, so its words are payload."""
    if not conf.run_links():
        found = _asked(conf.runs_about(), user, [event_data])
        return _pairs(found[0]) if found else []
    found = _asked(conf.run_links(), event_data) if user.has_perm(VIEW_PAYLOAD) else None
    return _pairs(found) if found else []


def abouts(user: Any, runs: Sequence[Run]) -> dict[UUID, Links]:
    """Each run's links; a query of the engine's, and the project's own."""
    if not conf.runs_about() or not runs:
        return {}
    data = small_data({run.event_id for run in runs})
    found = _asked(conf.runs_about(), user, [data.get(run.event_id) for run in runs])
    if not found or len(found) != len(runs):
        return {}
    return {run.pk: _pairs(pairs) for run, pairs in zip(runs, found, strict=True)}


def searched(user: Any, text: str) -> list[UUID]:
    found = _asked(conf.run_search(), user, text, MAX_FOUND)
    return list(found or [])[:MAX_FOUND]


def small_data(event_ids: Iterable[UUID]) -> dict[UUID, Any]:
    """Each event's data, or None above MAX_BYTES. One query."""
    size = Func("data", function="pg_column_size", output_field=IntegerField())
    events = Event.objects.filter(id__in=event_ids).annotate(size=size)
    small = Case(When(size__lte=MAX_BYTES, then=F("data")))
    return dict(events.order_by().values_list("id", small))


def _asked(path: str | None, *given: Any) -> Any:
    if not path:
        return None
    try:
        return import_string(path)(*given)
    except Exception:
        logger.exception("%s, which JOBS names for the panel, could not answer.", path)
        return None


def _pairs(found: Any) -> Links:
    try:
        return [(str(label), str(url)) for label, url in found]
    except (TypeError, ValueError):
        logger.exception("%r is no list of (label, url) pairs.", found)
        return []
