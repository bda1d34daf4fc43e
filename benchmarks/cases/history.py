"""The overhead case with ended runs by the million in the tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg

from benchmarks.cases import overhead
from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "History: songs a second with ended runs in the tables"
LEVELS = [0, 100_000, 5_000_000]
SPENT = ["cluster's CPU, ms a song", "database's CPU, ms a song", "log written, KiB a song"]

# Each is a copy of a run that has really run, with its event and its last step. Ids sort by time,
# as real ones do; the times are 30 days, which ended so many days `ago`.
PAST = """
CREATE TEMPORARY TABLE past AS
SELECT at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000'
            || lpad(to_hex(n), 12, '0'))::uuid AS id
  FROM (SELECT n, now() - interval '{ago} days'
                        - interval '30 days' * ({count} - n + 1) / {count} AS at
          FROM generate_series(1, {count}) n) times
"""
LIKE = """
CREATE TEMPORARY TABLE run_like AS SELECT * FROM jobs_run
 WHERE fn_id = 'bench-song' AND status = 'completed' LIMIT 1
"""
COPIES = {
    "jobs_event": (
        "(SELECT event_id FROM run_like)",
        {"id": "p.id", "name": "'past'", "ts": "p.at", "received_at": "p.at"},
    ),
    "jobs_run": (
        "(SELECT id FROM run_like)",
        {"id": "p.id", "event_id": "p.id", "created_at": "p.at", "started_at": "p.at"}
        | {"ended_at": "p.at"},
    ),
    "jobs_step": (
        "(SELECT s.id FROM jobs_step s JOIN run_like r ON r.id = s.run_id"
        " ORDER BY position DESC LIMIT 1)",
        {"id": "p.id", "run_id": "p.id", "started_at": "p.at", "ended_at": "p.at"},
    ),
}
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
 WHERE tablename IN ('jobs_event', 'jobs_run', 'jobs_step')
   AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


def contenders(options: Options) -> list[Contender]:
    levels = LEVELS if options.history is None else options.history
    return [
        replace(OURS, name=f"{level:,} ended runs", database=f"bench_history_{level}")
        for level in levels
    ]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    songs = options.songs or overhead.SONGS
    if contender.database not in stage.histories:
        with stage.site(contender):
            pass  # the runs of its warm-up are what the past is copied from
        with stage.server.connect(contender.database) as connection:
            make(connection, int(contender.database.rpartition("_")[2]))
        stage.histories.add(contender.database)
    with stage.site(contender, keep=True) as site:
        played = site.play(songs, max(songs // overhead.A_USER, 1), 0)
    results.add("history", contender.name, "songs", songs)
    results.add("history", contender.name, overhead.RATE, played.songs_per_second)
    for metric in SPENT:
        results.add("history", contender.name, metric, played.spent[metric])


def make(connection: psycopg.Connection[Any], count: int, ago: int = 0) -> None:
    """`count` ended runs, each with its event and a step, in the order of their times. The tables
    are locked meanwhile: no cluster should be at them."""
    if not count:
        return
    with connection.transaction():
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        connection.execute("SET LOCAL session_replication_role = replica")  # keys are right
        connection.execute(PAST.format(count=count, ago=ago))
        connection.execute(LIKE)
        indexes = connection.execute(INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        for table, (like, changes) in COPIES.items():
            copy(connection, table, like, changes)
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("DROP TABLE past, run_like")
    for table in COPIES:
        connection.execute(f"VACUUM (ANALYZE) {table}")
    connection.execute("CHECKPOINT")


def copy(
    connection: psycopg.Connection[Any], table: str, like: str, changes: dict[str, str]
) -> None:
    columns = [
        column.name for column in connection.execute(f"SELECT * FROM {table} LIMIT 0").description
    ]
    values = ", ".join(changes.get(name, f"t.{name}") for name in columns)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values}"
        f" FROM past p, (SELECT * FROM {table} WHERE id = {like}) t"
    )
