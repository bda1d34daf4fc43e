"""The five pieces of work, the same for every contender."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import requests
from django.conf import settings
from django.db import connection, transaction
from django.db.models import DateTimeField, F, Func

from benchmarks.app.models import Charge, Listener, Song

session = requests.Session()  # one a process: connections are kept


def check_credits(song_id: int) -> dict[str, Any]:
    """The balance, the order for the endpoint, and the database's time, at which work began."""
    now = Func(function="clock_timestamp", output_field=DateTimeField())
    song = Song.objects.select_related("owner").annotate(now=now).get(pk=song_id)
    return {
        "credits": song.owner.credits,
        "started_at": song.now.isoformat(),
        "body": {"user": song.owner_id, "song": song.pk, "delay": song.delay},
    }


def set_processing(song_id: int, started_at: str) -> None:
    Song.objects.filter(pk=song_id).update(
        status="processing", started_at=datetime.fromisoformat(started_at)
    )


def fetch(body: dict[str, Any]) -> dict[str, Any]:
    """For the contenders whose worker waits for the answer itself."""
    response = session.post(settings.BENCH_ENDPOINT, json=body, timeout=60)
    response.raise_for_status()
    return response.json()


def update_song(song_id: int, reply: dict[str, Any]) -> None:
    Song.objects.filter(pk=song_id).update(status="processed", s3_key=reply["s3_key"])


@transaction.atomic(savepoint=False)  # in a step it is in a transaction already
def deduct_credits(song_id: int) -> None:
    song = Song.objects.get(pk=song_id)
    Listener.objects.select_for_update(no_key=True).get(pk=song.owner_id)
    Listener.objects.filter(pk=song.owner_id).update(credits=F("credits") - 1)
    Charge.objects.create(song=song, amount=-1)


def make_song(song_id: int) -> None:
    """All of it in one piece, without a record of anything: plain django-q2's task."""
    order = check_credits(song_id)
    if order["credits"] < 1:
        return
    set_processing(song_id, order["started_at"])
    update_song(song_id, fetch(order["body"]))
    deduct_credits(song_id)


def touch(song_id: int, number: int) -> None:
    """A statement of 1 kB with its values in it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bench_song SET started_at = coalesce(started_at, clock_timestamp())"
            f" WHERE id = {int(song_id)} -- {number} {'x' * 900}"
        )


def text(size: int) -> str:
    """So many characters that are like no other."""
    return os.urandom(size // 2).hex()


def begin(song_id: int) -> None:
    now = Func(function="clock_timestamp", output_field=DateTimeField())
    Song.objects.filter(pk=song_id).update(started_at=now)


def nothing(number: int) -> None:
    """A task of django-q2's whose sending is measured."""
