"""The function that makes a song, step by step, and its hooks.

Other functions are beside what they do: in upkeep.py, remains.py, unmade.py, leaving.py,
downloads.py and sharing/chores.py.

A song is charged once, in the commit in which it becomes playable. A failed or cancelled song is
never charged.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models.functions import Now

from jobs.api import (
    Concurrency,
    Context,
    Event,
    FetchCode,
    NonRetriableError,
    Response,
    Secret,
    TriggerEvent,
    create_function,
    quoted,
    send,
)
from songs import credits, downloads, files, leaving, music, remains, unmade, upkeep, waveform
from songs.event_songs import data_of, song_of
from songs.failure_messages import (
    CANCELLED,
    NO_CREDITS,
    SONG_DELETED,
    CameAsAnother,
    apology,
)
from songs.generation import EVENT, FUNCTION
from songs.models import CHARGES, UNSUCCESSFUL, Category, Song, SongQuerySet, SongStatus, Way
from songs.sharing import chores, listings

ELSEWHERE = (chores, downloads, leaving, remains, unmade, upkeep)  # with functions of their own


def song_failed(ctx: Context) -> None:
    ended = SongStatus.FAILED, apology(ctx.event.data["error"]), happened_at(ctx)
    ctx.step.run("set-failed", end_unmade, ctx, *ended)


def song_cancelled(ctx: Context) -> None:
    ended = SongStatus.CANCELLED, CANCELLED, happened_at(ctx)
    ctx.step.run("set-cancelled", end_unmade, ctx, *ended)


def end_unmade(ctx: Context, status: str, reason: str, at: datetime) -> None:
    write_unless_outdated(ctx, end_without_song, status, reason, at)
    unmade.watch(song_of(ctx.event.data["event"]["data"]))


def song_retried(ctx: Context) -> None:
    ctx.step.run("set-queued", write_unless_outdated, ctx, set_queued)


def write_unless_outdated(ctx: Context, write: Callable[..., None], *words: Any) -> None:
    """Write the news of a hook to the song, unless the run has gone on since: a late hook must not
    undo what a retry has mended.

    Lock the song first, as the run's steps do. A run that goes on after the check then writes
    after this hook.
    """
    song = song_of(ctx.event.data["event"]["data"])
    if song.select_for_update(no_key=True).first() and not ctx.is_outdated:
        write(song, *words)


def happened_at(ctx: Context) -> datetime:
    """When the run failed, was cancelled or was retried; the hook may be much later."""
    return datetime.fromtimestamp(ctx.event.as_json()["ts"] / 1000, UTC)


@create_function(
    fn_id=FUNCTION,
    name="Generate song",
    trigger=TriggerEvent(event=EVENT),
    concurrency=[
        Concurrency(limit=1, key="event.data.userId"),
        Concurrency(limit=settings.SONGS_AT_ONCE),
    ],
    retries=3,
    on_failure=song_failed,
    on_cancel=song_cancelled,
    on_retry=song_retried,
)
def generate_song(ctx: Context) -> dict[str, Any]:
    song = song_of(ctx.event.data)

    checked = ctx.step.run("check-credits", check_credits, song, ctx.event.data)
    if checked["credits"] < 1 and not checked["paid"]:
        ctx.step.run("no-credits", end_without_song, song, SongStatus.NO_CREDITS, NO_CREDITS)
        return {"success": False, "reason": "no credits"}

    ctx.step.run("set-processing", set_processing, song)
    for one_try in unmade.tries(ctx, song):
        with one_try:
            response = ctx.step.fetch(
                "call-modal-api",
                music.endpoint_for(checked.get("way", Way.DESCRIPTION)),
                method="POST",
                json=checked["body"],
                headers={"Modal-Key": Secret("MODAL_KEY"), "Modal-Secret": Secret("MODAL_SECRET")},
                timeout=settings.GENERATION_TIMEOUT,
            )
            with unmade.removing_refused(ctx, response):
                ctx.step.run("update-song", update_song, song, response)
    ctx.step.run("deduct-credits", deduct_credits, song)
    return {"success": True}


def check_credits(song: SongQuerySet, data: dict[str, Any]) -> dict[str, Any]:
    """The listener's balance, whether the song is paid (true if a rerun makes it again), and the
    body of the request and the way it asks."""
    found = song.select_related("owner").first()
    if found is None:
        user_id, song_id = (quoted(data.get(name)) for name in ("userId", "songId"))
        raise NonRetriableError(f"There is no song: userId {user_id} has no songId {song_id}.")
    if credits.is_paid_as_another(found):
        raise CameAsAnother
    return {
        "credits": found.owner.credits,
        "paid": found.credit_entries.filter(kind__in=CHARGES).exists(),
        "way": found.way,
        "body": music.request_body(found),
    }


def set_processing(song: SongQuerySet) -> None:
    """Mark the song as being made. A finished song stays playable while a rerun makes it again."""
    song.exclude(status=SongStatus.PROCESSED).update(
        status=SongStatus.PROCESSING, reason="", started_at=Now(), finished_at=None
    )


def update_song(song: SongQuerySet, response: Response) -> dict[str, Any]:
    """Store the endpoint's reply and charge the song in the same transaction.

    1. An invalid reply, or one that names another song's file, fails at once. A retry would send
       the same Idempotency-Key, and the endpoint would repeat the reply.
    2. A reply for a deleted song, or for a wish that another song has fulfilled, fails too.
    """
    try:
        made = music.read_reply(response.json())
    except music.ImpossibleReply as problem:
        raise NonRetriableError(str(problem), code=FetchCode.UNUSABLE) from problem
    row = locked(song)
    if row is None:
        text = "The song was deleted while it was being made. It is not charged."
        raise NonRetriableError(text, code=SONG_DELETED)
    if credits.is_paid_as_another(row):
        raise CameAsAnother
    unmade.refuse_removed(row, made)
    files.refuse_those_of_others(row, made)
    keep(row, made)
    credits.charge(row)
    send(Event(name=waveform.EVENT, data=data_of(row)))
    return {"audio": made.audio_key, "cover": made.cover_key, "categories": made.categories}


def locked(song: SongQuerySet) -> Song | None:
    """Lock the listener's row, then the song's, and return the song; None if it was deleted."""
    found = song.first()
    if found is not None:
        credits.lock_owner(found)
    return song.select_for_update().first()


def keep(row: Song, made: music.Music) -> None:
    is_made_again = row.is_processed
    replaced = {row.s3_key, row.thumbnail_s3_key} - {*made.keys, ""}
    remains.remove_later(replaced)
    row.s3_key, row.thumbnail_s3_key = made.audio_key, made.cover_key
    row.status, row.reason, row.finished_at = SongStatus.PROCESSED, "", Now()
    row.peaks = None
    changed = ["s3_key", "thumbnail_s3_key", "status", "reason", "finished_at", "peaks"]
    row.save(update_fields=changed)
    row.categories.set(categories_of(made))
    if is_made_again:  # and may have been published meanwhile
        listings.categories_changed(row)


def categories_of(made: music.Music) -> list[Category]:
    """A row for each name. New rows are inserted sorted: two songs that insert the same names in
    another order deadlock."""
    names = {music.folded(name): name for name in made.categories}
    known = Category.objects.filter(folded__in=names)
    new = sorted(names.keys() - {category.folded for category in known})
    if not new:
        return list(known)
    rows = [Category(folded=folded, name=names[folded]) for folded in new]
    Category.objects.bulk_create(rows, ignore_conflicts=True)
    return list(known.all())


def deduct_credits(song: SongQuerySet) -> dict[str, Any]:
    """The charge for the song, which `update_song` has made.

    Only a run that an earlier version of the site brought this far charges here. A deleted song was
    charged at the latest when it was deleted.
    """
    found = locked(song)
    if found is None:
        return {"kind": "deleted", "amount": 0}
    if not found.is_processed:
        raise NonRetriableError("The song was not made. It is not charged.")
    entry = credits.charge(found)
    return {"kind": entry.kind, "amount": entry.amount}


def end_without_song(
    song: SongQuerySet, status: str, reason: str, at: datetime | None = None
) -> None:
    """End a song that will not be made. A finished song is left as it is."""
    song.exclude(status=SongStatus.PROCESSED).update(
        status=status, reason=reason, finished_at=at or Now()
    )


def set_queued(song: SongQuerySet) -> None:
    """Put an unsuccessful song back in line after a retry. If its run has started, leave it."""
    song.filter(status__in=UNSUCCESSFUL).update(
        status=SongStatus.QUEUED, reason="", started_at=None, finished_at=None
    )
