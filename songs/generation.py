"""A listener's wish becomes a song to be made, and the event that has it made, in one fact."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from jobs.api import Event, new_id, once, send, under_way
from songs import credits
from songs.models import Song, User
from songs.titles import title_from

EVENT = "generate-song-event"
WISHES = ("full_described_song", "guidance_scale", "audio_duration", "instrumental")


class NoCreditsLeft(Exception):
    """No credit is free for another song; the message is a sentence for the listener."""


class NoSecondTry(Exception):
    """A song is not to be tried again; the message is a sentence for the listener."""


class SongDeleted(Exception):
    """The song that a form made is deleted; the message is a sentence for the listener."""

    def __init__(self) -> None:
        super().__init__(
            "The song of that form was made before, and is deleted. Begin a new form for another."
        )


class Order(NamedTuple):
    """The song of a form, and whether an earlier sending of the form had ordered it."""

    song: Song
    is_repeat: bool


def queue_generation(
    user: User,
    *,
    full_described_song: str,
    guidance_scale: float,
    audio_duration: float,
    instrumental: bool,
    form_token: uuid.UUID | str,
    seed: int | None = None,
) -> Song:
    """Queue one song for `user`, or raise NoCreditsLeft and store nothing: the song of `order`, for
    callers that do not tell a repeat apart."""
    wishes = {
        "full_described_song": full_described_song,
        "guidance_scale": guidance_scale,
        "audio_duration": audio_duration,
        "instrumental": instrumental,
    }
    return order(user, wishes, form_token, seed=seed).song


def order(
    user: User, wishes: dict[str, Any], form_token: uuid.UUID | str, *, seed: int | None = None
) -> Order:
    """One song for one form with one set of wishes, however often the form is sent.

    1. The form, the song and its event are one transaction: none exists without the others. The
       same form with the same wishes (a double click, Back, a reload) is the same song.
    2. Lock the listener's row: what follows counts, and two tabs must not count at once.
    3. Each song in the making has spoken for a credit; without a free one there is no song.

    Raises NoCreditsLeft, SongDeleted if the form's song is gone by now, and jobs.api.StaleForm if
    the form is too old to tell; nothing is stored then.
    """
    return _once(user, "songs.order", form_token, wishes, lambda: _make(user, wishes, seed=seed))


def try_again(song: Song, form_token: uuid.UUID | str = "") -> Song:
    """The same wishes as a new song, of which a song that did not work has one at a time, in
    however many forms it is asked for. Raises what `order` does, and NoSecondTry if the song has
    come or is coming.

    It is another try at the same wish, which is charged once, whichever of its songs comes; unless
    that wish was charged already, for a song that was deleted, say: then it is a wish of its own.
    """
    user, token = song.owner, uuid.uuid5(song.id, "again")

    def make() -> Song:
        credits.lock(user)
        found = Song.objects.select_for_update(no_key=True).get(pk=song.pk)
        if not found.can_be_tried_again:
            raise NoSecondTry("This song needs no second try.")
        if is_made_again(found):
            raise NoSecondTry("This song is being made again already.")
        earlier = Song.objects.owned_by(user).filter(form_token=token).first()
        wishes = {name: getattr(found, name) for name in WISHES}
        wish = None if credits.charge_of(found) else found.wish_id
        return earlier or _make(user, wishes, token, wish=wish)

    asked = {"song": str(song.id)}
    return _once(user, "songs.again", form_token, asked, make, is_guarded=True).song


def _once(
    user: User,
    action: str,
    form_token: uuid.UUID | str,
    asked: dict[str, Any],
    make: Callable[[], Song],
    is_guarded: bool = False,
) -> Order:
    done = once(
        lambda: make().pk,
        token=form_token,
        action=action,
        account=user.pk,
        asked=asked,
        is_guarded=is_guarded,
    )
    song = Song.objects.owned_by(user).filter(pk=done.result).first()
    if song is None:
        raise SongDeleted
    return Order(song, done.is_repeat)


def _make(
    user: User,
    wishes: dict[str, Any],
    form_token: uuid.UUID | None = None,
    *,
    seed: int | None = None,
    wish: uuid.UUID | None = None,
) -> Song:
    """`wish` is that of the song of which this is another try, if it is one."""
    credits.lock(user)
    refusal = credits.balance(user).refusal
    if refusal:
        raise NoCreditsLeft(refusal)
    song_id = new_id()
    song = Song.objects.create(
        id=song_id,
        wish=wish or song_id,
        owner=user,
        title=title_from(wishes["full_described_song"]),
        seed=secrets.randbelow(2**31) if seed is None else seed,
        form_token=form_token or uuid.uuid4(),
        **wishes,
    )
    [event_id] = send(Event(name=EVENT, data={"songId": str(song.id), "userId": user.pk}))
    song.event_id = uuid.UUID(event_id)
    song.save(update_fields=["event_id"])
    return song


def is_made_again(song: Song) -> bool:
    return bool(made_again([song]))


def made_again(songs: Iterable[Song]) -> set[uuid.UUID]:
    """Those of these songs that did not work and are coming after all: a person has had the run go
    on, and the hook that tells of it may be late."""
    events = {song.event_id: song.id for song in songs if song.can_be_tried_again}
    asked = [event_id for event_id in events if event_id is not None]
    return {events[event_id] for event_id in under_way(asked)} if asked else set()
