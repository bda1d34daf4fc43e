"""A month of runs for the panel, by the million: copied in the database from one that is whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.utils import timezone

from jobs.metrics import rollups
from jobs.models import Attempt, Cluster, Event, LogLine, RegisteredFunction, Run, Step
from songs import credits
from songs.models import Song, SongStatus, User

FN = "generate-song-event"
FUNCTIONS = [FN, f"{FN}-failure", *(f"function-{n}" for n in range(8))]
UNFINISHED = 2_000
STEPS, ATTEMPTS, LISTENERS, ACTS = 5, 3, 500, 3_000
ERROR = '{"name": "StepError", "step": "call-modal-api", "message": "answered 503: busy"}'

# Ids sort by time, as real ones do.
PAST = """
CREATE TEMPORARY TABLE past AS
SELECT n, at, n > %(count)s - %(open)s AS is_open, n %% 50 = 0 AS has_failed,
       CASE WHEN n %% 2 = 0 THEN 'generate-song-event' ELSE 'function-' || n %% 8 END AS fn,
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000'
        || lpad(to_hex(n), 12, '0'))::uuid AS id
  FROM (SELECT n, now() - interval '31 days' * (%(count)s - n + 1) / %(count)s AS at
          FROM generate_series(1, %(count)s) n) times
"""
PART = """(substr(replace(p.id::text, '-', ''), 1, 13) || to_hex(k) || '80'
          || lpad(to_hex(p.n), 16, '0'))::uuid"""
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
 WHERE tablename IN ('jobs_event', 'jobs_run', 'jobs_step', 'jobs_attempt', 'songs_song')
   AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
EVENT = {"id": "p.id", "name": "p.fn", "ts": "p.at", "received_at": "p.at"}
RUN = {
    "id": "p.id",
    "event_id": "p.id",
    "fn_id": "p.fn",
    "status": "CASE WHEN p.is_open THEN 'waiting' WHEN p.has_failed THEN 'failed'"
    " ELSE 'completed' END",
    "reason": "CASE WHEN p.is_open THEN 'sleep' ELSE '' END",
    "due_at": "CASE WHEN p.is_open THEN now() + interval '1 day' END",
    "turn_keys": "ARRAY[p.fn || ':0:' || p.n % 13000]",
    "created_at": "p.at",
    "started_at": "p.at + interval '200 milliseconds'",
    "ended_at": "CASE WHEN NOT p.is_open THEN p.at + interval '1 second' * (1 + p.n % 40) END",
    "failure_kind": "CASE WHEN p.has_failed THEN 'call-modal-api · 50' || p.n / 50 % 10"
    " || ' kind ' || p.n / 50 % 30 ELSE '' END",
    "error": f"CASE WHEN p.has_failed THEN '{ERROR}'::jsonb END",
    "mended_at": "CASE WHEN p.has_failed AND p.n / 50 % 5 <> 0 THEN p.at END",
    "worker": "'studio-1/' || 100 + p.n % 3",
}
STEP = {
    "id": PART,
    "run_id": "p.id",
    "name": "(ARRAY['check-credits', 'set-processing', 'call-modal-api', 'update-song',"
    " 'deduct-credits'])[k]",
    "kind": "CASE WHEN k = 3 THEN 'fetch' ELSE 'run' END",
    "position": "k",
    "started_at": "p.at + interval '200 milliseconds' * k",
    "ended_at": "p.at + interval '200 milliseconds' * (k + 1)",
}
ATTEMPT = {"id": PART, "run_id": "p.id", "number": "k", "started_at": "p.at", "ended_at": "p.at"}
SONG = {
    "id": "p.id",
    "title": "'Song ' || p.n",
    "event_id": "p.id",
    "form_token": "gen_random_uuid()",
    "created_at": "p.at",
    "s3_key": "p.n || '.mp3'",
    "thumbnail_s3_key": "p.n || '.png'",
}


def make(count: int) -> Run:
    """So many runs with their events, steps and attempts, a fifth as many songs, and what else the
    panel shows, unless they are there. Returns the last run that failed."""
    if not User.objects.filter(username="operator").exists():
        _make(count)
    return Run.objects.filter(status="failed").latest("id")


def _make(count: int) -> None:
    operator = User.objects.create_superuser("operator", "o@example.org", "secret")
    likes = _likes(operator)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        cursor.execute("SET LOCAL session_replication_role = replica")  # keys are right
        cursor.execute(PAST, {"count": count, "open": min(UNFINISHED, count // 10)})
        indexes = _drop_indexes(cursor)
        _copy(cursor, likes["event"], EVENT)
        _copy(cursor, likes["run"], RUN)
        _copy(cursor, likes["step"], STEP, f", generate_series(1, {STEPS}) k")
        _copy(cursor, likes["attempt"], ATTEMPT, f", generate_series(1, {ATTEMPTS}) k")
        _copy(cursor, likes["song"], SONG, " WHERE p.n % 5 = 0")
        for definition in indexes:
            cursor.execute(definition)
    _small_tables(operator)
    _settle()


def _likes(operator: User) -> dict[str, Any]:
    """One of each, of which the others are copies."""
    now = timezone.now()
    event = Event.objects.create(name=FN, data={"songId": "x", "userId": 1}, ts=now)
    run = Run.objects.create(
        fn_id=FN, event=event, status="completed", due_at=None, ended_at=now, steps_done=STEPS
    )
    step = Step.objects.create(
        run=run, name="first", kind="run", status="completed", output={"ok": True}
    )
    attempt = Attempt.objects.create(run=run, status="completed", started_at=now, ended_at=now)
    song = Song.objects.create(
        owner=operator,
        full_described_song="a waltz for two cats",
        guidance_scale=15,
        audio_duration=60,
        seed=7,
        status=SongStatus.PROCESSED,
        s3_key="like.mp3",
        thumbnail_s3_key="like.png",
    )
    return {"event": event, "run": run, "step": step, "attempt": attempt, "song": song}


def _drop_indexes(cursor: Any) -> list[str]:
    cursor.execute(INDEXES)
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f'DROP INDEX "{name}"')
    return [definition for _, definition in found]


def _copy(cursor: Any, like: Any, changes: dict[str, str], more: str = "") -> None:
    """A copy of this row for each one of the past, and for each of what `more` joins."""
    table, key = like._meta.db_table, like.pk
    columns = [field.column for field in like._meta.concrete_fields]
    values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.execute(f"CREATE TEMPORARY TABLE t AS SELECT * FROM {table} WHERE id = %s", [key])
    cursor.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM t, past p{more}")
    cursor.execute("DROP TABLE t")


LONG = "a-long-run"
LONG_OUTPUT = 4 * 2**20  # bytes of each step's output
NEW_ID = {"id": "gen_random_uuid()"}


def long_run() -> Run:
    """A run with 1,000 steps, 10,000 attempts and 50,000 lines of log, unless it is there."""
    return Run.objects.filter(fn_id=LONG).first() or _long_run()


@transaction.atomic
def _long_run() -> Run:
    now = timezone.now()
    event = Event.objects.create(name=LONG, data={}, ts=now)
    done: dict[str, Any] = {"status": "completed", "started_at": now, "ended_at": now}
    run = Run.objects.create(fn_id=LONG, event=event, steps_done=1_000, due_at=None, **done)
    output = {"output": "x" * LONG_OUTPUT, "output_bytes": LONG_OUTPUT + 2}
    step = Step.objects.create(run=run, name="first", kind="run", **output, **done)
    attempt = Attempt.objects.create(run=run, step_name="first", **done)
    line = LogLine.objects.create(run=run, at=now, message="line")
    _repeat(step, 999, NEW_ID | {"name": "'step-' || n", "position": "n"})
    _repeat(attempt, 9_999, NEW_ID | {"step_name": "'step-' || n %% 1000", "number": "n"})
    _repeat(line, 49_999, {"id": None, "message": "'line ' || n"})
    return run


def _repeat(like: Any, count: int, changes: dict[str, str | None]) -> None:
    """So many copies of a row; a column changed to None keeps its default."""
    table = like._meta.db_table
    columns = [field.column for field in like._meta.concrete_fields]
    kept = [column for column in columns if changes.get(column, column) is not None]
    values = ", ".join(changes.get(column) or f't."{column}"' for column in kept)
    names = ", ".join(f'"{column}"' for column in kept)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} t,"
            f" generate_series(1, %s) n WHERE t.id = %s",
            [count, like.pk],
        )


def _small_tables(operator: User) -> None:
    now = timezone.now()
    for fn_id in FUNCTIONS:
        config = {"retries": 3, "on_failure": f"{fn_id}-failure", "triggers": [{"event": fn_id}]}
        RegisteredFunction.objects.update_or_create(
            fn_id=fn_id, defaults={"name": fn_id, "config": config}
        )
    RegisteredFunction.objects.filter(fn_id=f"{FN}-failure").update(
        paused_at=now, pause_reason="the mail server is down", paused_by=str(operator.pk)
    )
    for number in range(3):
        pulse = {"looked": 0.1, "claimed": 1.0, "problem": "", "at_work": 4, "workers": 4}
        pulse |= {"in_flight": 12, "limit": 1000, "pid": number, "pusher": 100 + number}
        Cluster.objects.create(key=f"cluster-{number}", host="studio-1", pulse=pulse)
    for number in range(LISTENERS):
        listener = User.objects.create(username=f"listener-{number}", email=f"{number}@example.org")
        credits.grant(listener, 3, why="for the benchmark")
    kind = ContentType.objects.get_for_model(Run)
    LogEntry.objects.bulk_create(
        LogEntry(
            user=operator,
            content_type=kind,
            object_id=str(run_id),
            object_repr=f"{FN} {run_id}",
            action_flag=CHANGE,
            change_message=f"Retried from the failed step. ({number % 100})",
            action_time=now - timedelta(minutes=number),
        )
        for number, run_id in enumerate(Run.objects.values_list("id", flat=True)[:ACTS])
    )


def _settle() -> None:
    """What the clusters and autovacuum do in their time."""
    with connection.cursor() as cursor:
        for model in (Event, Run, Step, Attempt, Song):
            cursor.execute(f"VACUUM (ANALYZE) {model._meta.db_table}")
        cursor.execute("ANALYZE")
    while not rollups.roll_up():
        pass


def alive() -> None:
    """The clusters have just been heard of."""
    Cluster.objects.update(seen_at=timezone.now())
