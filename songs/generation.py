"""A listener's wish becomes a song to be made, and the event that has it made, in one fact."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable

from django.db import transaction

from jobs.api import Event, new_id, send, under_way
from songs import credits
from songs.models import Song, User
from songs.titles import title_from

EVENT = "generate-song-event"


class NoCreditsLeft(Exception):
    """No credit is free for another song; the message is a sentence for the listener."""


class NoSecondTry(Exception):
    """A song is not to be tried again; the message is a sentence for the listener."""


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
    wish: uuid.UUID | None = None,
) -> Song:
    """Queue one song for `user`, or raise NoCreditsLeft and store nothing.

    1. Lock the listener's row: what follows counts, and two tabs must not count at once.
    2. The same form sent again (a double click, a reload) is the same song. A form that came back
       by the browser's Back and was changed is a new wish under a new token.
    3. Each song in the making has spoken for a credit; without a free one there is no song.
    4. The song and its event are one transaction: neither exists without the other.

    `wish` is that of the song of which this is another try, if it is one.
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
    song_id = new_id()
    song = Song.objects.create(
        id=song_id,
        wish=wish or song_id,
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


@transaction.atomic
def try_again(song: Song) -> Song:
    """The same wishes as a new song, or NoSecondTry if the song has come or is coming. However
    often it is asked for, one song comes of it: the token follows from the song that did not work.

    It is another try at the same wish, which is charged once, whichever of its songs comes; unless
    that wish was charged already, for a song that was deleted, say: then it is a wish of its own.
    """
    credits.lock_owner(song)
    found = Song.objects.select_for_update(no_key=True).get(pk=song.pk)
    if not found.can_be_tried_again:
        raise NoSecondTry("This song needs no second try.")
    if is_made_again(found):
        raise NoSecondTry("This song is being made again already.")
    return queue_generation(
        found.owner,
        full_described_song=found.full_described_song,
        guidance_scale=found.guidance_scale,
        audio_duration=found.audio_duration,
        instrumental=found.instrumental,
        form_token=uuid.uuid5(found.id, "again"),
        wish=None if credits.charge_of(found) else found.wish_id,
    )


def is_made_again(song: Song) -> bool:
    return bool(made_again([song]))


def made_again(songs: Iterable[Song]) -> set[uuid.UUID]:
    """Those of these songs that did not work and are coming after all: a person has had the run go
    on, and the hook that tells of it may be late."""
    events = {song.event_id: song.id for song in songs if song.can_be_tried_again}
    asked = [event_id for event_id in events if event_id is not None]
    return {events[event_id] for event_id in under_way(asked)} if asked else set()
