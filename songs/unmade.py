"""The files of songs that were not made after all.

A request may be answered after its song was cancelled, or a reply may not be kept because a step
failed. The endpoint has stored files then, and no song names them.

1. The hooks of failed and cancelled runs call `watch`. If a reply has come or may still come, it
   sends an event in the hook's transaction.
2. The function `remove-unused-files` waits until no request for the song is in flight, and then a
   week more: a retry within this week uses the reply, and pays for no second song.
3. Then the song's row remembers the files as removed, and they are removed. A retry that comes
   later finds them there, and asks the endpoint anew (`tries`).
4. Files that a song names are never removed (files.remove_unnamed). Retention may delete the run
   during the week, so the function remembers the keys itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from jobs.api import (
    Context,
    Event,
    NonRetriableError,
    Response,
    StepError,
    TriggerEvent,
    create_function,
    send,
)
from songs import remains
from songs.event_songs import data_of, song_of
from songs.failure_messages import CAME_AS_ANOTHER, FILES_GONE, SONG_DELETED
from songs.models import Song, SongQuerySet
from songs.music import Music

SONG_UNMADE = "songs/song.unmade"
KEPT_FOR = timedelta(days=7)


def watch(song: SongQuerySet) -> None:
    """Have the files removed that replies for this song have named or will name, unless the song
    uses them within a week."""
    row = song.first()
    if row is None or row.event_id is None:  # a deleted song's files are removed by forget-songs
        return
    found = remains.late_files([str(row.event_id)])
    if found["in_flight"] or found["keys"]:
        send(Event(name=SONG_UNMADE, data=data_of(row) | {"event": str(row.event_id)}))


@create_function(
    fn_id="remove-unused-files",
    name="Remove files of songs that were not made",
    trigger=TriggerEvent(event=SONG_UNMADE),
)
def remove_unused_files(ctx: Context) -> dict[str, int]:
    keys: set[str] = set()
    is_rested = False
    for look in range(remains.MAX_LOOKS):
        found = ctx.step.run("look", remains.late_files, [ctx.event.data["event"]])
        keys |= set(found["keys"])
        if found["in_flight"]:
            is_rested = False
            ctx.step.sleep("until-answered", remains.rest_after(look))
        elif is_rested or not keys:
            break
        else:
            is_rested = True
            ctx.step.sleep("while-a-retry-may-use-them", KEPT_FOR)
    removed = ctx.step.run("remove", remove, song_of(ctx.event.data), sorted(keys))
    return {"removed": removed}


def remove(song: SongQuerySet, keys: Sequence[str]) -> int:
    """Have those of the files removed that the song does not name; returns how many.

    The song's lock is the one under which `update_song` names files: it names them before this
    looks, or it finds them among the removed ones.
    """
    row = song.select_for_update(no_key=True).first()
    named = {row.s3_key, row.thumbnail_s3_key} if row else set()
    unused = sorted(set(keys) - named)
    if row and unused:
        row.removed_files = sorted({*row.removed_files, *unused})
        row.save(update_fields=["removed_files"])
    remains.remove_later(unused)
    return len(unused)


def refuse_removed(song: Song, made: Music) -> None:
    """Raise NonRetriableError if files of the reply were removed. Call it under the song's lock."""
    if not set(song.removed_files).isdisjoint(made.keys):
        raise NonRetriableError(
            "The files of this reply were removed, because the song was not made in the week after "
            "it came. The endpoint is asked for the song again.",
            code=FILES_GONE,
        )


class Try:
    """Ask for the song, and keep its reply. It is void if the files of the reply were removed."""

    is_void = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, problem: BaseException | None, trace: Any) -> bool:
        self.is_void = isinstance(problem, StepError) and problem.code == FILES_GONE
        return self.is_void


def tries(ctx: Context, song: SongQuerySet) -> Iterator[Try]:
    """One try, and another one after each that is void: a retry then has the song made anew."""
    while True:
        one_try = Try()
        yield one_try
        if not one_try.is_void:
            return
        ctx.step.run("ask-anew", forget_removed, song)


def forget_removed(song: SongQuerySet) -> None:
    """The endpoint may name the same files again: it then stores them again."""
    song.update(removed_files=[])


@contextlib.contextmanager
def removing_refused(ctx: Context, response: Response) -> Iterator[None]:
    """Have the files of a reply removed that no song will name."""
    try:
        yield
    except StepError as refused:
        if refused.code in (CAME_AS_ANOTHER, SONG_DELETED):
            ctx.step.run("remove-files", remains.remove_later, remains.keys_of(response))
        raise
