"""“This should not be here”: a report of a public song, by a listener or a stranger.

Reports are bounded: one for a hearer and a song, ten an hour for a hearer, and a hundred that are
open for a song. What comes beyond that tells the operators nothing new.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from songs.models import Publication, Report, User

AN_HOUR = timedelta(hours=1)
MAX_AN_HOUR = 10  # of one hearer
MAX_OPEN = 100  # of one song
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('songs.reports:' || %s, 0))"


class TooManyReports(Exception):
    """The hearer has reported too much within an hour; `wait` is the time until it may again."""

    def __init__(self, wait: timedelta) -> None:
        self.wait = wait
        minutes = max(round(wait.total_seconds() / 60), 1)
        super().__init__(
            f"You have sent {MAX_AN_HOUR} reports within an hour. "
            f"Send the next one in {minutes} minute{'' if minutes == 1 else 's'}."
        )


@transaction.atomic
def report(
    publication: Publication, hearer: str, *, kind: str, words: str, reporter: User | None
) -> bool:
    """Keep the report. False if it says nothing new: the hearer has reported this song before, or
    a hundred others have.

    The hearer's reports are counted under a lock, or two at once would both be the tenth.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [hearer])
    known = Report.objects.filter(publication=publication)
    if known.filter(hearer=hearer).exists():
        return False
    _refuse_too_many(hearer)
    if known.filter(dealt_at=None)[:MAX_OPEN].count() >= MAX_OPEN:
        return False
    Report.objects.create(
        publication=publication, hearer=hearer, kind=kind, words=words, reporter=reporter
    )
    Publication.objects.filter(pk=publication.pk).update(reported_at=Now())
    return True


def _refuse_too_many(hearer: str) -> None:
    lately = Report.objects.filter(hearer=hearer, at__gt=Now() - AN_HOUR).order_by("-at")
    times = list(lately.values_list("at", flat=True)[:MAX_AN_HOUR])
    if len(times) == MAX_AN_HOUR:
        raise TooManyReports(times[-1] + AN_HOUR - timezone.now())
