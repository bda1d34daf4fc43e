"""A listener's wish becomes a song to be made, and the event that has it made, in one fact."""

from __future__ import annotations

import secrets
import uuid

from django.db import transaction

from jobs.api import Event, send
from songs import credits
from songs.models import Song, User
from songs.titles import title_from

EVENT = "generate-song-event"


class NoCreditsLeft(Exception):
    """No credit is free for another song; the message is a sentence for the listener."""


@transaction.atomic
def queue_generation(
    user: User,
    *,
    full_described_song: str,
    guidance_scale: float,
    audio_duration: float,
    instrumental: bool,
    form_token: uuid.UUID,
    seed: int | None = None,
) -> Song:
    """Queue one song for `user`, or raise NoCreditsLeft and store nothing.

    1. Lock the listener's row: what follows counts, and two tabs must not count at once.
    2. The same form sent again (a double click, a reload) is the same song. A form that came back
       by the browser's Back and was changed is a new wish under a new token.
    3. Each song in the making has spoken for a credit; without a free one there is no song.
    4. The song and its event are one transaction: neither exists without the other.
    """
    credits.lock(user)
    wishes = {
        "full_described_song": full_described_song,
        "guidance_scale": guidance_scale,
        "audio_duration": audio_duration,
        "instrumental": instrumental,
    }
    earlier = Song.objects.owned_by(user).filter(form_token=form_token).first()
    if earlier and all(getattr(earlier, name) == wish for name, wish in wishes.items()):
        return earlier
    refusal = credits.balance(user).refusal
    if refusal:
        raise NoCreditsLeft(refusal)
    song = Song.objects.create(
        owner=user,
        title=title_from(full_described_song),
        seed=secrets.randbelow(2**31) if seed is None else seed,
        form_token=uuid.uuid4() if earlier else form_token,
        **wishes,
    )
    [event_id] = send(Event(name=EVENT, data={"songId": str(song.id), "userId": user.pk}))
    song.event_id = uuid.UUID(event_id)
    song.save(update_fields=["event_id"])
    return song


def try_again(song: Song) -> Song:
    """The same wishes as a new song. However often it is asked for, one song comes of it: the
    token follows from the song that did not work."""
    return queue_generation(
        song.owner,
        full_described_song=song.full_described_song,
        guidance_scale=song.guidance_scale,
        audio_duration=song.audio_duration,
        instrumental=song.instrumental,
        form_token=uuid.uuid5(song.id, "again"),
    )
