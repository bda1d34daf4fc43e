"""The vocabulary of the pipeline's tests: an endpoint that answers as told, a song on its way.

with endpoint(settings, answer(REPLY)) as server:
    song = made(alice)
"""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

from jobs.models import Run
from jobs.testing import drain, travel
from songs.generation import order_one
from songs.models import Song, User
from tests.support.hostile_endpoint import Adversary, Manner, Peer, allow, answer

FN = "generate-song-event"
STEPS = ["check-credits", "set-processing", "call-modal-api", "update-song", "deduct-credits"]
LATER = timedelta(minutes=2)  # longer than a backoff and than a lease
REPLY = {
    "s3_key": "4c1ef5a2-0d6c-4d65-9f2c-3f1d1c1f6a11.mp3",
    "cover_image_s3_key": "4c1ef5a2-0d6c-4d65-9f2c-3f1d1c1f6a11.png",
    "categories": ["Waltz", "Chamber"],
}


def replies(**changes: Any) -> Manner:
    """The usual reply, changed; ... leaves a field out. Every song has files of its own, and the
    same order the same ones."""

    def manner(peer: Peer) -> bool | None:
        said = {**reply_to(peer.number), **changes}
        return says_json({name: value for name, value in said.items() if value is not ...})(peer)

    return manner


def reply_to(number: int) -> dict[str, Any]:
    """The usual reply to an order, by its number at the endpoint, from 0 on."""
    if not number:
        return REPLY
    keys = ("s3_key", "cover_image_s3_key")
    return {**REPLY, **{key: REPLY[key].replace(".", f"-{number}.") for key in keys}}


def says_json(reply: Any, status: int = 200, **headers: str) -> Manner:
    return answer(json.dumps(reply).encode(), status, **headers)


def endpoint(settings: Any, *manners: Manner) -> Adversary:
    """A server that answers each request by the next manner, set up as the songs' endpoint."""
    server = Adversary(*(manners or (replies(),)))
    settings.GENERATE_FROM_DESCRIPTION = server.url
    allow(settings, server)
    settings.JOBS = settings.JOBS | {"BACKOFF": [60]}
    return server


def order(user: User, description: str = "a waltz for two cats", **changes: Any) -> Song:
    wishes = {
        "guidance_scale": 15.0,
        "audio_duration": 60.0,
        "instrumental": False,
        "form_token": uuid.uuid4(),
    }
    return order_one(user, full_described_song=description, **{**wishes, **changes})


def to_the_end() -> None:
    """Whatever waits for a retry or for a dead worker's lease has its time come."""
    drain()
    while Run.objects.filter(fn_id=FN).unfinished().exists():
        travel(LATER)
        drain()


def after_the_minute() -> None:
    """What was deleted cannot be brought back any more."""
    drain()
    travel(timedelta(seconds=61))
    drain()


def made(user: User, **changes: Any) -> Song:
    """A song that was ordered, and whatever became of it."""
    song = order(user, **changes)
    to_the_end()
    song.refresh_from_db()
    return song


def run_of(song: Song) -> Run:
    return Run.objects.filter(fn_id=FN, event_id=song.event_id).latest("id")


def posts(server: Adversary) -> int:
    return sum(heard.method == "POST" for heard in server.heard)


def charges(user: User) -> list[tuple[str, int]]:
    """What songs have cost a listener, oldest first."""
    entries = user.credit_entries.exclude(kind="grant").order_by("id")
    return list(entries.values_list("kind", "amount"))
