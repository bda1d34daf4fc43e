"""The note that operators leave for their successors: the newest counts, until its end or the next
note. Notes are only added, singly under a lock of the transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs.advisory_locks import HAND_OVER_NOTE
from jobs.control.notes import clean_note
from jobs.errors import InvalidTransition
from jobs.lib.excerpts import excerpt
from jobs.models import HandOverNote
from jobs.platform.postgres.clock import database_clock

MAX_TEXT = 2_000  # characters
MAX_SPAN = timedelta(days=7)  # from now: a note that stands for longer is no news
LOCK_NOTE = f"SELECT pg_advisory_xact_lock({HAND_OVER_NOTE})"


class NewerNote(InvalidTransition):
    """Another operator has written a note since the account looked."""

    def __init__(self) -> None:
        super().__init__(
            "Another operator has written a note since this form was opened. Nothing was written: "
            "read that note, and send yours once more if it is still to be told."
        )


def newest() -> HandOverNote | None:
    return HandOverNote.objects.first()


def in_force() -> HandOverNote | None:
    found = HandOverNote.objects.annotate(now=Now()).first()
    return counting(found, found.now) if found is not None else None


def counting(newest: HandOverNote | None, now: datetime) -> HandOverNote | None:
    return newest if newest is not None and newest.text and newest.until > now else None


def past(most: int = 20) -> list[HandOverNote]:
    """Newest first, each with this moment as `now`."""
    return list(HandOverNote.objects.annotate(now=Now())[:most])


@transaction.atomic
def write(text: str, until: datetime | None, user: Any, over: int | None) -> HandOverNote:
    """Add a note that counts until then; an empty text ends the one that counts.

    `over` is the id of the newest note that the account has seen, or None. InvalidTransition with a
    sentence for an unusable text or time, and if there is a newer note.
    """
    clean = clean_note(text, "The note", MAX_TEXT)
    with connection.cursor() as cursor:
        cursor.execute(LOCK_NOTE)
    now, last = database_clock().at, newest()
    if (last.pk if last else None) != over:
        raise NewerNote
    if not clean and counting(last, now) is None:
        raise InvalidTransition("The note is empty, and there is none that it could end.")
    return HandOverNote.objects.create(
        text=clean,
        by=str(user.pk),
        by_name=excerpt(user.get_username(), 150),
        until=_end(until, now) if clean else now,
    )


def _end(until: datetime | None, now: datetime) -> datetime:
    if until is None:
        raise InvalidTransition("The note has no end; a time in the next 7 days is one.")
    if until <= now:
        raise InvalidTransition("The note ends in the past; a time in the next 7 days is allowed.")
    if until > now + MAX_SPAN:
        raise InvalidTransition(
            f"The note ends in more than {MAX_SPAN.days} days; a time in the next {MAX_SPAN.days} "
            "days is allowed."
        )
    return until
