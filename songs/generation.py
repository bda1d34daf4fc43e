"""Order a song: a listener's wish becomes a song and its event in one transaction."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from jobs.api import Event, excerpt, new_id, once, send, under_way
from songs import credits
from songs.event_songs import data_of
from songs.models import TITLE_LIMIT, Song, User
from songs.titles import title_from, title_from_lyrics

EVENT = FUNCTION = "generate-song-event"
Require = Callable[[int], None]
WISHES = ("full_described_song", "guidance_scale", "audio_duration", "instrumental")
OTHER_WISHES = ("prompt", "lyrics", "described_lyrics")  # left out where they are empty
SECOND_TAKE = " (take 2)"


class NoCreditsLeft(Exception):
    """The listener has no free credit. The message is for the listener."""


class NoSecondTry(Exception):
    """The song cannot be tried again. The message is for the listener."""


class SongDeleted(Exception):
    """The song of this form was deleted. The message is for the listener."""

    def __init__(self) -> None:
        super().__init__("The song of this form was deleted. Open a new form for another song.")


class Order(NamedTuple):
    """The songs of an order, and whether the same form had ordered them before."""

    songs: list[Song]
    is_repeat: bool

    @property
    def song(self) -> Song:
        return self.songs[0]


def order_one(
    user: User,
    *,
    full_described_song: str,
    guidance_scale: float,
    audio_duration: float,
    instrumental: bool,
    form_token: uuid.UUID | str,
    seed: int | None = None,
) -> Song:
    """Queue one song for `user`, or raise NoCreditsLeft and store nothing. This is `order` for
    callers that do not tell a repeat apart."""
    wishes = {
        "full_described_song": full_described_song,
        "guidance_scale": guidance_scale,
        "audio_duration": audio_duration,
        "instrumental": instrumental,
    }
    return order(user, wishes, form_token, seed=seed).song


def order(
    user: User,
    wishes: dict[str, Any],
    form_token: uuid.UUID | str,
    *,
    seed: int | None = None,
    takes: int = 1,
    require: Require = lambda in_the_making: None,
) -> Order:
    """Order one song for one form and one set of wishes, however often the form is sent; with
    `takes`, so many songs of the same words, each with a seed and a charge of its own.

    `wishes` are the columns of WISHES, and those of OTHER_WISHES and the title where they say
    something.

    1. One transaction writes the form's token, the song and the event. A song without its event
       would stay queued for ever.
    2. The same form with the same wishes (a double click, Back, a reload) returns the same song.
    3. The listener's row is locked before songs are counted. Two tabs that count at once would
       both spend the last credit.
    4. Each song in the making reserves a credit; without a free one no song is made.
    5. `require` may refuse a new song by raising; it is given how many the listener has in the
       making. A repeat makes no song, and is not refused.

    Raises NoCreditsLeft, SongDeleted if the form's songs were deleted, and jobs.api.StaleForm if
    the token is too old to be known. Nothing is stored then.
    """

    def make() -> list[Song]:
        _refuse_without(user, takes, require)
        first = _make(user, wishes, seed=seed)
        again = {**wishes, "title": _second_title(first.title)}
        return [first, *(_make(user, again) for _ in range(takes - 1))]

    asked = wishes if takes == 1 else {**wishes, "takes": takes}
    return _once(user, "songs.order", form_token, asked, make)


def _refuse_without(user: User, takes: int, require: Require) -> None:
    credits.lock(user)
    held = credits.balance(user)
    if refusal := held.refusal_of(takes):
        raise NoCreditsLeft(refusal)
    require(held.spoken_for + takes - 1)


def _second_title(title: str) -> str:
    return excerpt(title, TITLE_LIMIT - len(SECOND_TAKE)) + SECOND_TAKE


def wishes_of(song: Song) -> dict[str, Any]:
    """The wishes of a song, without its title, to order another like it."""
    others = {name: getattr(song, name) for name in OTHER_WISHES if getattr(song, name)}
    return {name: getattr(song, name) for name in WISHES} | others


def try_again(
    song: Song,
    form_token: uuid.UUID | str = "",
    require: Require = lambda in_the_making: None,
) -> Song:
    """Order a new song with the wishes of a song that did not work.

    1. A song has one second try at a time, however many forms ask for it.
    2. The new song belongs to the same wish, which is charged once, for whichever song is made.
    3. If the wish was charged already, for a song that was deleted since, the new song is a wish
       of its own. Otherwise its run would end as not needed.

    Raises what `order` raises, and NoSecondTry if the song is finished or is being made again.
    """
    user, token = song.owner, uuid.uuid5(song.id, "again")

    def make() -> list[Song]:
        credits.lock(user)
        found = Song.objects.select_for_update(no_key=True).get(pk=song.pk)
        if not found.can_be_tried_again:
            raise NoSecondTry("This song needs no second try.")
        if is_made_again(found):
            raise NoSecondTry("This song is already being made again.")
        earlier = Song.objects.owned_by(user).filter(form_token=token).first()
        if earlier:
            return [earlier]
        _refuse_without(user, 1, require)
        wish = None if credits.charge_of(found) else found.wish_id
        return [_make(user, {**wishes_of(found), "title": found.title}, token, wish=wish)]

    asked = {"song": str(song.id)}
    return _once(user, "songs.again", form_token, asked, make, is_guarded=True).song


def _once(
    user: User,
    action: str,
    form_token: uuid.UUID | str,
    asked: dict[str, Any],
    make: Callable[[], list[Song]],
    is_guarded: bool = False,
) -> Order:
    done = once(
        lambda: " ".join(str(song.pk) for song in make()),
        token=form_token,
        action=action,
        account=user.pk,
        asked=asked,
        is_guarded=is_guarded,
    )
    songs = list(Song.objects.owned_by(user).filter(pk__in=done.result.split()).order_by("pk"))
    if not songs:
        raise SongDeleted
    return Order(songs, done.is_repeat)


def _make(
    user: User,
    wishes: dict[str, Any],
    form_token: uuid.UUID | None = None,
    *,
    seed: int | None = None,
    wish: uuid.UUID | None = None,
) -> Song:
    """Make the song and send its event; the caller has locked the listener's row. For a second try
    `wish` is the wish of the first song."""
    song_id = new_id()
    song = Song.objects.create(
        id=song_id,
        wish=wish or song_id,
        owner=user,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        form_token=form_token or uuid.uuid4(),
        **{**wishes, "title": wishes.get("title") or _title_for(wishes)},
    )
    [event_id] = send(Event(name=EVENT, data=data_of(song)))
    song.event_id = uuid.UUID(event_id)
    song.save(update_fields=["event_id"])
    return song


def _title_for(wishes: dict[str, Any]) -> str:
    if wishes.get("lyrics"):
        return title_from_lyrics(wishes["lyrics"])
    return title_from(wishes["full_described_song"] or wishes.get("described_lyrics", ""))


def is_made_again(song: Song) -> bool:
    return bool(made_again([song]))


def made_again(songs: Iterable[Song]) -> set[uuid.UUID]:
    """Those of the songs that did not work whose run goes on after all: an operator has retried it,
    and the hook that updates the song may be late."""
    events = {song.event_id: song.id for song in songs if song.can_be_tried_again}
    asked = [event_id for event_id in events if event_id is not None]
    return {events[event_id] for event_id in under_way(asked)} if asked else set()
