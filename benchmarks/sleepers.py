"""A hundred thousand sleeping runs, one real cluster: `python -m benchmarks.sleepers`.

    --runs 100000   sleep
    --woken 1200    of them wake, one after the other
    --seconds 60    in this time; the others sleep on

Printed is how much later than due the woken ones started: `woken` / `seconds` is a rate that leaves
the cluster idle, so this is the engine's own lateness, not a queue's. --woken 100000 --seconds 1800
wakes them all.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import django
import psycopg

from benchmarks.cases.history import copy
from benchmarks.contenders import LOCAL, OURS
from benchmarks.database import Embedded, Server
from benchmarks.processes import Process
from benchmarks.stage import Stage

SLEEPERS = replace(
    OURS, name="sleepers", settings="benchmarks.settings.sleepers", database="bench_sleepers"
)
LEAD = 5.0  # seconds between the last row and the first that is due
PATIENCE = 60.0  # seconds for the last to come to its end
PAST = """
CREATE TEMPORARY TABLE past AS
SELECT n, gen_random_uuid() AS id, 'infinity'::timestamptz AS due FROM generate_series(1, %s) n
"""
DUE = """
UPDATE {table} t SET due_at = p.due FROM past p WHERE p.due < 'infinity' AND {own} = p.id
"""
LEFT = """
SELECT count(*) FROM past p JOIN jobs_run r ON r.id = p.id
 WHERE p.due < 'infinity' AND r.status <> 'completed'
"""
TIMES = """
SELECT extract(epoch FROM a.started_at - p.due)::float8,
       extract(epoch FROM r.ended_at - p.due)::float8
  FROM past p JOIN jobs_run r ON r.id = p.id
  LEFT JOIN jobs_attempt a ON a.run_id = r.id AND a.step_name = 'woke'
 WHERE p.due < 'infinity'
"""


def main() -> None:
    options = parse()
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    LOCAL.mkdir(parents=True, exist_ok=True)
    with Embedded(LOCAL) as server, staged(server, f"sleepers-{stamp}") as (stage, cluster):
        run_id = one_that_sleeps(stage)
        with server.connect(SLEEPERS.database) as connection:
            make(connection, run_id, options.runs)
            wake_one_by_one(connection, options.woken, options.seconds)
            wait(connection, cluster, options)
            print(report(connection, options))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sleepers")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--woken", type=int, default=1200)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    if not 0 < options.woken <= options.runs or options.seconds <= 0:
        parser.error("--woken must be from 1 to --runs, and --seconds more than 0.")
    return options


@contextmanager
def staged(server: Server, name: str) -> Iterator[tuple[Stage, Process]]:
    stage = Stage(server, LOCAL / name)
    try:
        stage.prepare(SLEEPERS)
        cluster = stage.start(SLEEPERS, SLEEPERS.cluster, "cluster", {})
        try:
            yield stage, cluster
        finally:
            cluster.end()
    finally:
        stage.close()


def one_that_sleeps(stage: Stage) -> str:
    """The cluster sends a run to sleep; all others are copies of it."""
    os.environ.update(stage.environment(SLEEPERS))
    django.setup()
    from benchmarks.sleeping import EVENT, FN_ID
    from jobs.api import Event, send
    from jobs.models import Run

    send(Event(name=EVENT))
    while (run := Run.objects.get(fn_id=FN_ID)).status != "waiting":
        time.sleep(0.1)
    return str(run.id)


def make(connection: psycopg.Connection[Any], like: str, count: int) -> None:
    """`count` runs that sleep for a day, each with its event and its step."""
    connection.execute(PAST, [count])
    event = f"(SELECT event_id FROM jobs_run WHERE id = '{like}')"
    copy(connection, "jobs_event", event, {"id": "p.id"})
    copy(connection, "jobs_run", f"'{like}'", {"id": "p.id", "event_id": "p.id"})
    step = f"(SELECT id FROM jobs_step WHERE run_id = '{like}')"
    copy(connection, "jobs_step", step, {"id": "p.id", "run_id": "p.id"})
    for table in ("jobs_event", "jobs_run", "jobs_step"):
        connection.execute(f"VACUUM (ANALYZE) {table}")


def wake_one_by_one(connection: psycopg.Connection[Any], woken: int, seconds: float) -> None:
    connection.execute(
        "UPDATE past SET due = clock_timestamp() + make_interval(secs => %s + n * %s::float8)"
        " WHERE n <= %s",
        [LEAD, seconds / woken, woken],
    )
    with connection.transaction():
        connection.execute(DUE.format(table="jobs_run", own="t.id"))
        connection.execute(DUE.format(table="jobs_step", own="t.run_id"))


def wait(connection: psycopg.Connection[Any], cluster: Process, options: Any) -> None:
    deadline = time.monotonic() + LEAD + options.seconds + PATIENCE
    while connection.execute(LEFT).fetchone() != (0,):
        cluster.raise_if_ended()
        if time.monotonic() > deadline:
            raise cluster.failure(f"has not woken all of {options.woken} in time")
        time.sleep(1.0)


def report(connection: psycopg.Connection[Any], options: Any) -> str:
    times = connection.execute(TIMES).fetchall()
    lines = [
        f"{options.runs:,} sleeping runs, {options.woken:,} of them woken in {options.seconds:g} s"
    ]
    for what, late in zip(("started", "ended"), zip(*times, strict=True), strict=True):
        ordered = sorted(late)
        p50, p95, worst = (ordered[round(q * (len(ordered) - 1))] for q in (0.5, 0.95, 1.0))
        lines.append(
            f"{what} after due: p50 {1000 * p50:,.0f} ms, p95 {1000 * p95:,.0f} ms, "
            f"latest {1000 * worst:,.0f} ms"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
