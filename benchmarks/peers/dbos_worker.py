"""DBOS at the same work, in its own environment: `python -m benchmarks.peers.dbos_worker`.

A workflow of five steps, each remembered; a step's own work commits before its record does (for
work through Django's ORM, DBOS has no transaction that holds both).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import django
from dbos import DBOS, DBOSConfig
from django.conf import settings
from django.db import connection

django.setup()

from benchmarks.app import work  # noqa: E402

QUEUE = "songs"
THREADS = int(os.environ["BENCH_THREADS"])


@DBOS.workflow(name="make_song")
def make_song(song_id: int) -> None:
    order = check_credits(song_id)
    if order["credits"] < 1:
        return
    set_processing(song_id, order["started_at"])
    reply = fetch(order["body"])
    update_song(song_id, reply)
    deduct_credits(song_id)


def step(name: str, body: Callable[..., Any]) -> Callable[..., Any]:
    """A step; where there is a pool, it gives its thread's connection back."""

    @DBOS.step(name=name)
    def wrapped(*args: Any) -> Any:
        try:
            return body(*args)
        finally:
            if not settings.KEEPS_CONNECTIONS:
                connection.close()

    return wrapped


check_credits = step("check-credits", work.check_credits)
set_processing = step("set-processing", work.set_processing)
fetch = step("call-endpoint", work.fetch)
update_song = step("update-song", work.update_song)
deduct_credits = step("deduct-credits", work.deduct_credits)


def config() -> DBOSConfig:
    return {
        "name": "bench",
        "system_database_url": url(),
        "sys_db_pool_size": int(os.environ.get("BENCH_POOL", "20")),
        "max_executor_threads": THREADS,
        "executor_id": os.environ.get("BENCH_EXECUTOR", "0"),
        "application_version": "bench",
        "log_level": "WARNING",
    }


def url() -> str:
    return os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)


def main() -> None:
    DBOS(config=config())
    DBOS.launch()
    if sys.argv[1:] == ["prepare"]:  # the tables are there now
        DBOS.destroy()
        return
    takes_turns = bool(os.environ.get("BENCH_TURNS"))
    DBOS.register_queue(
        QUEUE,
        worker_concurrency=THREADS,
        partition_concurrency=1 if takes_turns else None,
        polling_interval_sec=float(os.environ["BENCH_POLL"]),
        on_conflict="always_update",
    )
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    told.wait()
    DBOS.destroy()


if __name__ == "__main__":
    main()
