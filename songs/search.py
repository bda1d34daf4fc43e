"""The search of the product's lists. Each is served by an index, and says what it has searched.

What was typed decides where it is looked for: an id, a number, an e-mail address (with “@”), else
the beginning of a listener's name and, for songs, the words of a title.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Q, QuerySet

from jobs.api import excerpt
from songs.models import Song, User

MAX_LISTENERS = 500  # whose songs or entries are listed
MAX_SONGS = 5_000  # that a word finds
TITLE = SearchVector("title", config="simple")
WORD = re.compile(r"\w+")


def cleaned(term: str) -> str:
    """What was typed, of a length and of characters that the database takes."""
    return excerpt(term.replace("\x00", "").strip(), 100)


def listeners(term: str) -> Q:
    """Accounts by the beginning of their name or e-mail address, or by their number."""
    found = Q(email__istartswith=term) if "@" in term else Q(username__istartswith=term)
    if term.isascii() and term.isdigit() and len(term) < 19:
        found |= Q(pk=int(term))
    return found


def accounts(term: str) -> QuerySet[Any, Any]:
    """The first 500 of those accounts, for a subquery."""
    return User.objects.filter(listeners(term)).order_by("pk").values("pk")[:MAX_LISTENERS]


def songs(queryset: QuerySet[Song], term: str) -> QuerySet[Song]:
    """Songs by their id or their event's, by the words of their title, or by their listener."""
    if identifier := as_uuid(term):
        return queryset.filter(Q(pk=identifier) | Q(event_id=identifier))
    everything = Song.objects.order_by().values("pk")
    found = everything.filter(owner__in=accounts(term))[:MAX_SONGS]
    if query := words(term):
        named = everything.annotate(words=TITLE).filter(words=query)
        found = found.union(named.values("pk")[:MAX_SONGS])
    return queryset.filter(pk__in=found)


def words(term: str) -> SearchQuery | None:
    """All words of the term, in whatever order; of the last one the beginning is enough."""
    given = WORD.findall(term)
    if not given or "@" in term:
        return None
    *whole, last = (f"'{word}'" for word in given)
    return SearchQuery(" & ".join([*whole, f"{last}:*"]), config="simple", search_type="raw")


def as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
