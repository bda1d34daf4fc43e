"""What songs leave when they are deleted: files in the store, words in the engine and the history.

`leave` is a part of the transaction that deletes the songs. Functions of the engine do the rest, so
that a store that is down, or a process that dies on the next line, loses nothing.

1. `remove-files` removes the files that no song names, and tries for days.
2. `forget-songs` waits until no request for the songs is in flight, has the files of late answers
   removed, and has the words forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from jobs.api import (
    Context,
    Event,
    JobsError,
    Response,
    TriggerEvent,
    answers,
    create_function,
    forget,
    send,
)
from songs import files, history, music
from songs.models import Category, Song

FILES_LEFT = "songs/files.left"
SONGS_DELETED = "songs/songs.deleted"
REQUEST = "call-modal-api"  # the step of generate_song
A_FEW = 200  # songs, or files, of one run
MINUTE, HOUR = 60.0, 3_600.0
PATIENCE = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR]  # the last one repeats
MAX_LOOKS = 50


def leave(songs: Sequence[Song]) -> None:
    """Have the files and the words of these songs removed. Call it before they are deleted, in that
    transaction."""
    remove_later(key for song in songs for key in (song.s3_key, song.thumbnail_s3_key))
    send([songs_deleted(songs[at : at + A_FEW]) for at in range(0, len(songs), A_FEW)])


def songs_deleted(songs: Sequence[Song]) -> Event:
    """What is to be forgotten, by numbers and ids alone."""
    categories = Category.objects.filter(songs__in=songs).distinct()
    data = {
        "songs": [str(song.pk) for song in songs],
        "events": [str(song.event_id) for song in songs if song.event_id],
        "categories": sorted(categories.values_list("pk", flat=True)),
    }
    return Event(name=SONGS_DELETED, data=data)


def remove_later(keys: Iterable[str], *, after: timedelta = timedelta()) -> None:
    """Have those of the files removed that no song names by then, if this transaction commits."""
    given = sorted({key for key in keys if key})
    chunks = [given[at : at + A_FEW] for at in range(0, len(given), A_FEW)]
    when = timezone.now() + after if after else 0
    send([Event(name=FILES_LEFT, data={"keys": chunk}, ts=when) for chunk in chunks])


@create_function(
    fn_id="remove-files",
    name="Remove files that no song names",
    trigger=TriggerEvent(event=FILES_LEFT),
    retries=20,
    backoff=PATIENCE,
)
def remove_files(ctx: Context) -> Any:
    return ctx.step.run("remove", files.remove_unnamed, ctx.event.data["keys"], atomic=False)


@create_function(
    fn_id="forget-songs",
    name="Forget the words of deleted songs",
    trigger=TriggerEvent(event=SONGS_DELETED),
)
def forget_songs(ctx: Context) -> dict[str, int]:
    events = ctx.event.data["events"]
    ctx.step.run("history", history.forget_songs, ctx.event.data["songs"])
    ctx.step.run("categories", forget_categories, ctx.event.data["categories"])
    for look in range(MAX_LOOKS):
        found = ctx.step.run("look", late_files, events)
        if not found["in_flight"]:
            break
        ctx.step.sleep("until-answered", rest_after(look))
    if found["keys"]:
        late = Event(name=FILES_LEFT, data={"keys": found["keys"]})
        ctx.step.send_event("remove-late-files", late)
    ctx.step.run("forget", forget, events)
    return {"songs": len(ctx.event.data["songs"]), "late_files": len(found["keys"])}


def rest_after(look: int) -> float:
    """Seconds until the next look at requests in flight."""
    return min(15.0 * 2**look, HOUR)


def forget_categories(ids: Sequence[int]) -> int:
    """Delete those of the categories that no song has. If a song takes one at this moment, the
    database refuses, and the step is tried again."""
    used = Song.objects.filter(categories=OuterRef("pk"))
    return Category.objects.filter(~Exists(used), pk__in=ids).delete()[0]


def late_files(events: Sequence[str]) -> dict[str, Any]:
    """The files that endpoints have named for these events, and how many requests may still name
    some."""
    found = answers(events, step=REQUEST)
    keys = {key for response in found.responses for key in keys_of(response)}
    return {"in_flight": found.in_flight, "keys": sorted(keys)}


def keys_of(response: Response) -> list[str]:
    """The files of a reply; none of one that is no song."""
    try:
        return list(music.read_reply(response.json()).keys)
    except (JobsError, music.ImpossibleReply):
        return []
