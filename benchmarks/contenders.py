"""Who is compared: how each is set up, started and read."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from benchmarks.processes import ROOT

LOCAL = ROOT / ".local" / "bench"

# The orders of the round, when each was accepted, when its first piece of work began, and when
# all of it was durable. Commit timestamps are taken by the server, at the same point of every
# commit, so that one whole commit lies between two of them.
TIMES = """
SELECT extract(epoch FROM {accepted})::float8,
       extract(epoch FROM s.started_at)::float8,
       extract(epoch FROM pg_xact_commit_timestamp(done.xmin))::float8
  FROM bench_order o JOIN bench_song s ON s.id = o.song_id JOIN {done}
"""


@dataclass(frozen=True)
class Contender:
    name: str
    kind: str  # how songs are ordered of it (sender.py)
    settings: str
    database: str
    cluster: list[str]
    done: str  # joined as `done`: the row whose last write ends the song's making
    unfinished: str
    forget: str  # between two rounds: these tables of its own are emptied
    accepted: str = "pg_xact_commit_timestamp(o.xmin)"
    prepare: tuple[str, ...] = ()  # a command, after the migrations
    database_setup: tuple[str, ...] = ()  # statements, after that
    python: str = sys.executable
    clusters: int = 1  # unless the case says how many
    ports: tuple[str, ...] = ()  # environment variables that name free ones
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def times(self) -> str:
        return TIMES.format(done=self.done, accepted=self.accepted)


OURS = Contender(
    name="ours",
    kind="ours",
    settings="benchmarks.settings.ours",
    database="bench_ours",
    cluster=["manage.py", "qcluster"],
    done="jobs_event e ON e.name = 'bench-song' AND (e.data->>'songId')::bigint = s.id"
    " JOIN jobs_run done ON done.event_id = e.id",
    unfinished="SELECT count(*) FROM jobs_run WHERE ended_at IS NULL",
    forget="jobs_event, jobs_run, jobs_step, jobs_attempt, jobs_logline, jobs_fetch",
)
# What a pool in transaction mode does to LISTEN: no NOTIFY arrives, and the cluster has to look.
OURS_WITHOUT_NOTIFY = replace(
    OURS,
    database="bench_ours_without_notify",
    database_setup=(
        "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS ''",
        "ALTER DATABASE {database} SET search_path = public, pg_catalog",
    ),
)
# Runs of nothing but statements that are written by hand.
STATEMENTS = replace(
    OURS,
    kind="statements",
    database="bench_statements",
    done=OURS.done.replace("'bench-song'", "'bench-statements'"),
)
# A run that remembers much, and one that remembers as many outputs of a few bytes.
OUTPUTS = replace(
    OURS,
    kind="outputs",
    database="bench_outputs",
    done=OURS.done.replace("'bench-song'", "'bench-outputs'"),
)
TINY_OUTPUTS = replace(OUTPUTS, name="tiny outputs", database="bench_tiny_outputs")
DJANGO_Q = Contender(
    name="django-q2",
    kind="django-q2",
    settings="benchmarks.settings.django_q",
    database="bench_django_q",
    cluster=["-m", "django", "qcluster"],
    done="bench_charge done ON done.song_id = s.id",
    unfinished="SELECT (SELECT count(*) FROM bench_order) - (SELECT count(*) FROM bench_charge)",
    forget="django_q_ormq, django_q_task",
)
PEERS_PYTHON = str(LOCAL / "peers" / "bin" / "python")
DBOS = Contender(
    name="dbos",
    kind="dbos",
    settings="benchmarks.settings.dbos",
    database="bench_dbos",
    cluster=["-m", "benchmarks.peers.dbos_worker"],
    prepare=("-m", "benchmarks.peers.dbos_worker", "prepare"),
    # It enqueues by itself, after the songs are there; its own time of that, in whole ms.
    accepted="to_timestamp(done.created_at / 1000.0)",
    done="dbos.workflow_status done ON done.workflow_uuid = 'song-' || s.id",
    unfinished="SELECT (SELECT count(*) FROM bench_order) - (SELECT count(*) FROM bench_charge)"
    " + (SELECT count(*) FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING'))",
    forget="dbos.workflow_status, dbos.operation_outputs, dbos.workflow_input,"
    " dbos.workflow_output",
    python=PEERS_PYTHON,
    clusters=2,
    environment=(("BENCH_THREADS", "16"), ("BENCH_POLL", "0.05")),
)
# Its log and its state are in a store of its own; PostgreSQL has the songs alone.
RESTATE = Contender(
    name="restate",
    kind="restate",
    settings="benchmarks.settings.bare",
    database="bench_restate",
    cluster=["-m", "benchmarks.peers.restate_site"],
    done=DJANGO_Q.done,
    unfinished=DJANGO_Q.unfinished,
    forget="",
    python=PEERS_PYTHON,
    environment=(("BENCH_PROCESSES", "1"), ("BENCH_THREADS", "8"), ("BENCH_RESTATE", "{}")),
    ports=tuple(f"BENCH_{name}_PORT" for name in ("SERVICES", "NODE", "ADMIN", "INGRESS")),
)
PEERS = {"django-q2": DJANGO_Q, "dbos": DBOS, "restate": RESTATE}
