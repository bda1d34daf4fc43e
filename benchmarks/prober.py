"""Sends what a case asks for, from a process of its own: a question a line, in JSON.

{"fresh": 1}                      a song whose run stands in no line
{"event": "bench-sleep", "data": [{}]}   events of that name, in lists
{"cancel": "bench-parked"}        a bulk action: cancel all runs of a function
{"pause": "jobs-retention"}       its run stands still after its step
{"resume": "jobs-retention"}

→   {"sent": 1}
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django

django.setup()

from django.db import transaction  # noqa: E402

from benchmarks.app.functions import FRESH  # noqa: E402
from benchmarks.app.models import Listener, Order, Song  # noqa: E402
from jobs.api import Event, bulk, pause, resume, send  # noqa: E402

LIST = 2000
FRESH_STATUS = "fresh"


def main() -> None:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"sent": answer(json.loads(line))}), flush=True)


def answer(asked: dict[str, Any]) -> int:
    if "fresh" in asked:
        return fresh()
    if "cancel" in asked:
        return bool(bulk("cancel", fn_id=asked["cancel"]))
    if "pause" in asked:
        return pause(asked["pause"], stop_running=True)
    if "resume" in asked:
        return resume(asked["resume"])
    events = [Event(name=asked["event"], data=data) for data in asked["data"]]
    for at in range(0, len(events), LIST):
        send(events[at : at + LIST])
    return len(events)


@transaction.atomic
def fresh() -> int:
    """As a site orders a song; the order's commit is when it was accepted."""
    listener, _ = Listener.objects.get_or_create(pk=0)
    song = Song.objects.create(owner=listener, delay=0, status=FRESH_STATUS)
    Order.objects.create(song=song)
    return len(send(Event(name=FRESH, data={"songId": song.pk})))


if __name__ == "__main__":
    main()
