"""Orders songs in a contender's own way, from a process of its own: a question a line, in JSON.

    {"songs": 2000, "users": 200, "delay": 0, "together": 2000}
    →   {"songs": 2000, "seconds": 1.2, "sent_at": 1795852800.0}

So many songs `together` and what starts their making are one transaction. DBOS's workflows and
Restate's invocations are enqueued after it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import django


def main() -> None:
    django.setup()
    enqueue = ENQUEUE[os.environ["BENCH_CONTENDER"]]()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), enqueue)), flush=True)


def answer(asked: dict[str, Any], enqueue: Callable[[list[Any]], None]) -> dict[str, Any]:
    """The listeners are there before the clock starts."""
    from benchmarks.app.models import Listener

    rich = (Listener(credits=1_000_000) for _ in range(asked["users"]))
    users = Listener.objects.bulk_create(rich)
    owners = [users[n % len(users)] for n in range(asked["songs"])]
    sent_at, began = time.time(), time.monotonic()
    for at in range(0, len(owners), asked["together"]):
        order(owners[at : at + asked["together"]], asked["delay"], enqueue)
    return {
        "songs": asked["songs"],
        "seconds": time.monotonic() - began,
        "sent_at": sent_at,
    }


def order(owners: list[Any], delay: float, enqueue: Callable[[list[Any]], None]) -> None:
    """A song for each of the owners, in one transaction."""
    from django.db import transaction

    from benchmarks.app.models import Order, Song

    with transaction.atomic():
        songs = Song.objects.bulk_create(Song(owner=owner, delay=delay) for owner in owners)
        Order.objects.bulk_create(Order(song=song) for song in songs)
        enqueue(songs)


def _ours() -> Callable[[list[Any]], None]:
    from benchmarks.app.functions import EVENT
    from jobs.api import Event, send

    def enqueue(songs: list[Any]) -> None:
        send([Event(name=EVENT, data={"songId": s.pk, "userId": s.owner_id}) for s in songs])

    return enqueue


def _statements() -> Callable[[list[Any]], None]:
    from benchmarks.app.functions import STATEMENTS
    from jobs.api import Event, send

    return lambda songs: (
        send([Event(name=STATEMENTS, data={"songId": s.pk}) for s in songs]) and None
    )


def _outputs() -> Callable[[list[Any]], None]:
    """A lone song is the one that is measured; of several, which warm up, each has one output."""
    from benchmarks.app.functions import OUTPUTS, OUTPUTS_OF_A_RUN
    from jobs.api import Event, send

    size = int(os.environ["BENCH_OUTPUT"])

    def enqueue(songs: list[Any]) -> None:
        outputs = 1 if songs[1:] else OUTPUTS_OF_A_RUN
        asked = {"bytes": size, "outputs": outputs}
        send([Event(name=OUTPUTS, data={"songId": s.pk} | asked) for s in songs])

    return enqueue


def _django_q() -> Callable[[list[Any]], None]:
    from django_q.brokers import get_broker
    from django_q.tasks import async_task

    broker = get_broker()

    def enqueue(songs: list[Any]) -> None:
        for song in songs:
            async_task("benchmarks.app.work.make_song", song.pk, broker=broker)

    return enqueue


def _dbos() -> Callable[[list[Any]], None]:
    from dbos import DBOSClient
    from django.db import transaction

    from benchmarks.peers.dbos_worker import QUEUE, url

    client = DBOSClient(system_database_url=url())

    def enqueue_now(songs: list[Any]) -> None:
        for song in songs:
            options: Any = {
                "workflow_name": "make_song",
                "queue_name": QUEUE,
                "workflow_id": f"song-{song.pk}",
                "app_version": "bench",
            }
            if os.environ.get("BENCH_TURNS"):
                options["queue_partition_key"] = str(song.owner_id)
            client.enqueue(options, song.pk)

    def enqueue(songs: list[Any]) -> None:
        transaction.on_commit(lambda: enqueue_now(songs))

    return enqueue


def _restate() -> Callable[[list[Any]], None]:
    from django.db import transaction

    from benchmarks.peers.restate_ingress import Ingress

    ingress = Ingress(int(os.environ["BENCH_INGRESS_PORT"]), bool(os.environ.get("BENCH_TURNS")))
    ingress.wait()
    return lambda songs: transaction.on_commit(lambda: ingress.send(songs))


ENQUEUE = {
    "ours": _ours,
    "statements": _statements,
    "outputs": _outputs,
    "django-q2": _django_q,
    "dbos": _dbos,
    "restate": _restate,
}

if __name__ == "__main__":
    main()
