"""The lines of the history (the audit log) about listeners and songs that are gone: the acts stay,
the words go.

A line keeps its operator, its time, what was done and the number of what it was done to. Names and
titles go, and so do reasons that hold them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet

from songs.models import Song, User

SHORT = 3  # characters: a shorter name is looked for as a word
REASON = ": "  # stands between an act and its reason


@dataclass(frozen=True)
class Names:
    """What a listener is called, and the titles of the listener's songs; in lower case."""

    texts: frozenset[str]

    def are_in(self, sentence: str) -> bool:
        folded = sentence.casefold()
        words = set(re.findall(r"\w+", folded))
        return any(text in folded if len(text) >= SHORT else text in words for text in self.texts)


def names_of(user: User) -> Names:
    titles = Song.objects.owned_by(user).values_list("title", flat=True)
    said = [user.get_username(), user.email, user.first_name, user.last_name, *titles]
    return Names(frozenset(filter(None, (text.strip().casefold() for text in said))))


def forget_account(user: User) -> None:
    """In the lines about an account that leaves."""
    names = names_of(user)
    for entry in lines_about(User, [str(user.pk)]):
        _forget(entry, f"account {user.pk}", names.are_in(entry.change_message))


def forget_songs(songs: Sequence[str]) -> int:
    """In the lines about deleted songs, whose reasons hold their titles; returns how many."""
    entries = list(lines_about(Song, songs))
    for entry in entries:
        _forget(entry, f"song {entry.object_id}", is_named=True)
    return len(entries)


def lines_about(model: type[Model], ids: Sequence[str]) -> QuerySet[LogEntry]:
    kind = ContentType.objects.get_for_model(model)
    return LogEntry.objects.filter(content_type=kind, object_id__in=ids)


def _forget(entry: LogEntry, called: str, is_named: bool) -> None:
    """Django's own messages are lists of the names of fields."""
    entry.object_repr = called
    if is_named and not entry.change_message.startswith("["):
        act, reason, _ = entry.change_message.partition(REASON)
        entry.change_message = f"{act}." if reason else entry.change_message
    entry.save(update_fields=["object_repr", "change_message"])
