"""What the engine runs for the product, and what it promises: a song is charged once, after it is
there; never for a failure."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models.functions import Now

from jobs.api import (
    Concurrency,
    Context,
    NonRetriableError,
    Secret,
    TriggerEvent,
    create_function,
)
from songs import credits, music
from songs.generation import EVENT
from songs.models import IN_THE_MAKING, Category, Song, SongStatus

SORRY = "Something went wrong while your song was being made. It cost you nothing."
NO_CREDITS = "There was no credit left when its turn came. It cost you nothing."
CANCELLED = "This song was cancelled. It cost you nothing."


def song_failed(ctx: Context) -> None:
    ctx.step.run("set-failed", end_without_song, song_of(ctx), SongStatus.FAILED, SORRY)


def song_cancelled(ctx: Context) -> None:
    ctx.step.run("set-cancelled", end_without_song, song_of(ctx), SongStatus.CANCELLED, CANCELLED)


def song_retried(ctx: Context) -> None:
    ctx.step.run("set-queued", set_queued, song_of(ctx))


@create_function(
    fn_id="generate-song-event",
    name="Generate song",
    trigger=TriggerEvent(event=EVENT),
    concurrency=[Concurrency(limit=1, key="event.data.userId")],
    retries=3,
    on_failure=song_failed,
    on_cancel=song_cancelled,
    on_retry=song_retried,
)
def generate_song(ctx: Context) -> dict[str, Any]:
    song_id, user_id = ctx.event.data["songId"], ctx.event.data["userId"]

    order = ctx.step.run("check-credits", check_credits, song_id, user_id)
    if order["credits"] < 1:
        ctx.step.run("no-credits", end_without_song, song_id, SongStatus.NO_CREDITS, NO_CREDITS)
        return {"success": False, "reason": "no credits"}

    ctx.step.run("set-processing", set_processing, song_id)
    response = ctx.step.fetch(
        "call-modal-api",
        order["endpoint"],
        method="POST",
        json=order["body"],
        headers={"Modal-Key": Secret("MODAL_KEY"), "Modal-Secret": Secret("MODAL_SECRET")},
        timeout=settings.GENERATION_TIMEOUT,
    )
    ctx.step.run("update-song", update_song, song_id, response.json())
    ctx.step.run("deduct-credits", deduct_credits, song_id)
    return {"success": True}


def check_credits(song_id: str, user_id: int) -> dict[str, Any]:
    """The listener's balance and the order for the endpoint."""
    song = Song.objects.select_related("owner").filter(id=song_id, owner_id=user_id).first()
    if song is None:
        raise NonRetriableError(f"User {user_id} has no song {song_id}.")
    return {
        "credits": song.owner.credits,
        "endpoint": settings.GENERATE_FROM_DESCRIPTION,
        "body": music.request_body(song),
    }


def set_processing(song_id: str) -> None:
    Song.objects.filter(id=song_id, status__in=IN_THE_MAKING).update(status=SongStatus.PROCESSING)


def update_song(song_id: str, reply: Any) -> dict[str, Any]:
    """Keep what the endpoint has made; a reply that cannot be right fails, since asking again for
    the same reply would not change it."""
    try:
        made = music.read_reply(reply)
    except music.ImpossibleReply as problem:
        raise NonRetriableError(str(problem)) from problem
    song = Song.objects.select_for_update().get(id=song_id)
    song.s3_key, song.thumbnail_s3_key = made.audio_key, made.cover_key
    song.status, song.reason, song.finished_at = SongStatus.PROCESSED, "", Now()
    song.save(update_fields=["s3_key", "thumbnail_s3_key", "status", "reason", "finished_at"])
    song.categories.set([category(name) for name in made.categories])
    return {"audio": made.audio_key, "cover": made.cover_key, "categories": made.categories}


def category(name: str) -> Category:
    return Category.objects.get_or_create(folded=name.casefold(), defaults={"name": name})[0]


def deduct_credits(song_id: str) -> dict[str, Any]:
    entry = credits.charge(Song.objects.select_related("owner").get(id=song_id))
    return {"kind": entry.kind, "amount": entry.amount}


def end_without_song(song_id: str, status: str, reason: str) -> None:
    """The song will not come; a song that is there meanwhile stays."""
    Song.objects.filter(id=song_id).exclude(status=SongStatus.PROCESSED).update(
        status=status, reason=reason, finished_at=Now()
    )


def set_queued(song_id: str) -> None:
    """A person tries again: in the making once more, unless the retry was faster."""
    Song.objects.filter(id=song_id, status__in=[SongStatus.FAILED, SongStatus.CANCELLED]).update(
        status=SongStatus.QUEUED, reason="", finished_at=None
    )


def song_of(ctx: Context) -> str:
    """The song that a failed, cancelled or retried run was about."""
    return str(ctx.event.data["event"]["data"]["songId"])
