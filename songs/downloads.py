"""A listener's download of everything: ordered, made by a run of the engine, kept for a few days.

1. One at a time for each listener, and the next one no sooner than ten minutes after the last.
2. The row commits with the event that starts the run. The run packs into a file of the machine's
   own, and hands the whole to the store.
3. A file is named by its row (`Download.key`), and goes with it. A worker that is packing then
   stops at the next song, and the file is removed once more when no worker can be at it.
"""

from __future__ import annotations

import tempfile
import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from jobs.api import (
    Concurrency,
    Context,
    Event,
    NonRetriableError,
    TriggerCron,
    TriggerEvent,
    cancel,
    create_function,
    send,
    unfinished_runs,
)
from songs import credits, packing, remains
from songs.models import UNDER_WAY, Download, DownloadStatus, Song, User

EVENT = "songs/download.asked"
FN = "pack-download"
KEPT_FOR = timedelta(days=3)
SOONEST = timedelta(minutes=10)  # after the last one
AT_ONCE = 2  # over all listeners
A_BATCH, MAX_BATCHES = 100, 100
A_WHILE = timedelta(minutes=5)
WITHDRAWN = "The download was withdrawn."


class TooSoon(ValueError):
    """Another download cannot be made yet. The message is for the listener."""

    def __init__(self, wait: timedelta) -> None:
        self.wait = max(int(wait.total_seconds()), 1)  # seconds
        minutes = -(-self.wait // 60)
        super().__init__(
            "Your last download is only just made. You can have another one in "
            f"{minutes} minute{'' if minutes == 1 else 's'}."
        )


def newest(user: User) -> Download | None:
    return Download.objects.filter(owner=user).first()


def soonest_after(last: Download | None) -> datetime | None:
    """When the next one can be had; None if that is now."""
    if last is None or last.ready_at is None:
        return None
    soonest = last.ready_at + SOONEST
    return soonest if soonest > timezone.now() else None


@transaction.atomic
def order(user: User) -> Download:
    """Begin a download, or return the one that is under way. An older one goes. Raises TooSoon."""
    credits.lock(user)
    last = newest(user)
    if last is not None and last.is_under_way:
        return last
    if soonest := soonest_after(last):
        raise TooSoon(soonest - timezone.now())
    remove(user.downloads.all())
    made = Download.objects.create(owner=user)
    [event_id] = send(Event(name=EVENT, data={"download": str(made.pk), "userId": user.pk}))
    made.event_id = uuid.UUID(event_id)
    made.save(update_fields=["event_id"])
    return made


def remove(downloads: QuerySet[Download]) -> None:
    """Delete these rows, end the runs that make their files, and have the files removed."""
    found = list(downloads)
    events = [download.event_id for download in found if download.event_id]
    for run_id in unfinished_runs(events, fn_id=FN):
        cancel(run_id, why=WITHDRAWN)
    remains.remove_later(download.key for download in found)
    last_word = timedelta(seconds=settings.STEP_TIMEOUT) + A_WHILE
    remains.remove_later((d.key for d in found if d.is_under_way), after=last_word)
    Download.objects.filter(pk__in=[download.pk for download in found]).delete()


def asked(ctx: Context) -> QuerySet[Download]:
    """The download of the event, or of the event of which a hook tells; an operator may have
    changed it."""
    data = ctx.event.data.get("event", {}).get("data") or ctx.event.data
    try:
        return Download.objects.filter(pk=uuid.UUID(str(data.get("download"))))
    except ValueError:
        return Download.objects.none()


def ended(ctx: Context) -> None:
    ctx.step.run("set-failed", set_failed, ctx)


def set_failed(ctx: Context) -> None:
    found = asked(ctx).select_for_update().first()
    if found is not None and not ctx.is_outdated:
        asked(ctx).filter(status__in=UNDER_WAY).update(status=DownloadStatus.FAILED)


@create_function(
    fn_id=FN,
    name="Pack a download",
    trigger=TriggerEvent(event=EVENT),
    concurrency=[Concurrency(limit=1, key="event.data.userId"), Concurrency(limit=AT_ONCE)],
    retries=3,
    on_failure=ended,
    on_cancel=ended,
)
def pack_download(ctx: Context) -> Any:
    songs = ctx.step.run("list", list_songs, ctx)
    return ctx.step.run("pack", pack, ctx, songs, atomic=False)


def list_songs(ctx: Context) -> list[str]:
    """The songs that it is to hold, oldest first."""
    songs = Song.objects.filter(owner__in=asked(ctx).values("owner"), deleted_at=None).order_by(
        "created_at", "pk"
    )
    return [str(pk) for pk in songs.values_list("pk", flat=True)]


def pack(ctx: Context, songs: list[str]) -> dict[str, int]:
    """Pack, and hand the file to the store. Harmless to repeat."""
    found = asked(ctx).select_related("owner").first()
    if found is None or not begin(ctx, len(songs)):
        raise NonRetriableError(WITHDRAWN)
    making = asked(ctx).filter(status=DownloadStatus.MAKING)
    with tempfile.TemporaryFile() as file:
        packing.pack(found.owner, file, [uuid.UUID(pk) for pk in songs], partial(set_done, making))
        size = file.tell()
        file.seek(0)
        default_storage.delete(found.key)  # of an earlier attempt
        default_storage.save(found.key, File(file))
    made = {"status": DownloadStatus.READY, "size": size, "ready_at": Now()}
    if not making.update(**made, expires_at=Now() + KEPT_FOR):
        default_storage.delete(found.key)
        raise NonRetriableError(WITHDRAWN)
    return {"songs": len(songs), "bytes": size}


def begin(ctx: Context, total: int) -> bool:
    """Also for a retry of one that has failed; False if the listener has another one under way."""
    try:
        return bool(asked(ctx).update(status=DownloadStatus.MAKING, total=total, done=0))
    except IntegrityError:
        return False


def set_done(making: QuerySet[Download], done: int) -> None:
    if not making.update(done=done):
        raise NonRetriableError(WITHDRAWN)


@create_function(
    fn_id="remove-downloads",
    name="Remove old downloads",
    trigger=TriggerCron(cron="23 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def remove_downloads(ctx: Context) -> int:
    removed = 0
    for _ in range(MAX_BATCHES):
        removed += (found := ctx.step.run("remove", remove_old))
        if found < A_BATCH:
            break
    return removed


def remove_old() -> int:
    old = Download.objects.filter(expires_at__lt=Now()).order_by("expires_at")
    ids = list(old.values_list("pk", flat=True)[:A_BATCH])
    remove(Download.objects.filter(pk__in=ids))
    return len(ids)
