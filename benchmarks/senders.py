"""Senders side by side, a process each: `python -m benchmarks.senders`, a question a line, in JSON.

    {"senders": 4, "of": 1, "seconds": 2, "ids": false, "again": false, "later": false}
    →   {"events": 4321, "seconds": 2.04}

Each sends lists `of` so many events, a transaction each, for `seconds` and at least one; an event
alone is no list. With `ids` each event has one of its own; `again` sends a list that was sent
before, once, without the clock. Each event starts a run of a function without a step, with `later`
in an hour.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import django

CONTEXT = multiprocessing.get_context("fork")
PATIENCE = 120.0  # seconds
HOUR = 3_600_000  # milliseconds


def main() -> None:
    django.setup()
    maker = MAKERS[os.environ["BENCH_CONTENDER"]]
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(together(json.loads(line), maker)), flush=True)


def together(asked: dict[str, Any], maker: Callable[..., Any]) -> dict[str, float]:
    """All begin at the same moment; the clock stops with the last."""
    barrier, told = CONTEXT.Barrier(asked["senders"]), CONTEXT.Queue()
    senders = [
        CONTEXT.Process(target=send, args=(asked, maker, barrier, told))
        for _ in range(asked["senders"])
    ]
    for sender in senders:
        sender.start()
    rounds = [told.get(timeout=PATIENCE) for _ in senders]
    for sender in senders:
        sender.join()
    began, ended = min(began for began, _, _ in rounds), max(ended for _, ended, _ in rounds)
    return {"events": sum(events for _, _, events in rounds), "seconds": ended - began}


def send(asked: dict[str, Any], maker: Callable[..., Any], barrier: Any, told: Any) -> None:
    """What one of them does; the connection is there before the clock starts."""
    batch, deliver = maker(asked["of"], asked["ids"], asked["later"])
    events = batch()
    deliver(batch() if not asked["again"] else events)
    barrier.wait(PATIENCE)
    began, sent = time.monotonic(), 0
    while sent == 0 or time.monotonic() - began < asked["seconds"]:
        deliver(events if asked["again"] else batch())
        sent += asked["of"]
    told.put((began, time.monotonic(), sent))


def ours(of: int, with_ids: bool, later: bool) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    from benchmarks.app.functions import NOTHING
    from jobs.api import Event, send

    ts = round(1000 * time.time() + HOUR) if later else 0

    def event() -> Event:
        return Event(name=NOTHING, data={"n": 1}, id=uuid.uuid4().hex if with_ids else "", ts=ts)

    return (event if of == 1 else lambda: [event() for _ in range(of)]), send


def django_q(of: int, *_: bool) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """It knows neither lists nor ids."""
    from django_q.brokers import get_broker
    from django_q.tasks import async_task

    broker = get_broker()
    return (lambda: 1), lambda n: async_task("benchmarks.app.work.nothing", n, broker=broker)


MAKERS = {"ours": ours, "django-q2": django_q}

if __name__ == "__main__":
    main()
