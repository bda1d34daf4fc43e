"""The search in the list of runs: for an id, a key, words of an error, or something that only the
project knows (links.py). It says what it searched, and how far back."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from jobs import conf
from jobs.admin.base import as_uuid
from jobs.admin.links import searched
from jobs.admin.run_filters import MAX_SEARCHED, newest, with_key
from jobs.control.permission_names import VIEW_PAYLOAD
from jobs.models import Run

KEY = "key:"
MAX_TERM = 200  # characters


def found(user: Any, runs: QuerySet[Run], text: str) -> QuerySet[Run]:
    if identifier := as_uuid(text):
        return runs.filter(Q(id=identifier) | Q(event_id=identifier))
    text = text[:MAX_TERM]
    since = newest(MAX_SEARCHED)
    if text.startswith(KEY):
        if not user.has_perm(VIEW_PAYLOAD):
            return runs.none()
        return runs.filter(with_key(text.removeprefix(KEY).strip()), id__gte=since)
    if not user.has_perm(VIEW_PAYLOAD):
        return runs.filter(failure_kind__icontains=text, id__gte=since)
    in_key = Q(turn_keys__0__icontains=text) | Q(turn_keys__1__icontains=text)
    in_row = (in_key | Q(failure_kind__icontains=text)) & Q(id__gte=since)
    events = searched(user, text)
    return runs.filter(in_row | Q(event_id__in=events)) if events else runs.filter(in_row)


def words(text: str) -> str:
    text = text.strip().replace("\x00", "")
    if not text:
        return ""
    if as_uuid(text):
        return "Searched: the ids of all runs and of their events."
    if text.startswith(KEY):
        return f"Searched: whole keys of the newest {MAX_SEARCHED:,} runs."
    site = ", and what the site knows by these words" if conf.run_search() else ""
    cut = f" (its first {MAX_TERM} characters)" if len(text) > MAX_TERM else ""
    return (
        f"Searched{cut}: keys and kinds of failures of the newest {MAX_SEARCHED:,} runs{site}. "
        f"“{KEY}17” finds exactly that key."
    )
