"""Rows as the engine leaves them, written by hand: a run at each point of its life."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs.models import (
    Attempt,
    Cluster,
    Event,
    Fetch,
    LogLine,
    Reason,
    RegisteredFunction,
    Run,
    Step,
)

FN = "generate-song-event"
WORKER = "studio-1:4121:4130"
TRACEBACK = """Traceback (most recent call last):
  File "jobs/execution/steps.py", line 88, in run
    value = body(*args)
  File "songs/functions.py", line 61, in call_modal_api
    raise FetchError("500 Internal Server Error: the GPU <fell> over")
jobs.errors.FetchError: 500 Internal Server Error: the GPU <fell> over
"""
ERROR = {
    "name": "FetchError",
    "message": "500 Internal Server Error: the GPU <fell> over",
    "stack": TRACEBACK,
}
STEP_ERROR = {
    "name": "StepError",
    "message": f"step “call-modal-api” failed: {ERROR['name']}: {ERROR['message']}",
    "stack": TRACEBACK,
    "step": "call-modal-api",
}
REPLY = {
    "s3_key": "9f0c/song.mp3",
    "cover_image_s3_key": "9f0c/cover.png",
    "categories": ["Synthwave", "Sad Piano", "<b>Ballad</b>"],
}


def now() -> datetime:
    return datetime.now(UTC)


def id_at(moment: datetime) -> uuid.UUID:
    """The id that the engine would have made at that moment (UUIDv7)."""
    milliseconds = int(moment.timestamp() * 1000)
    tail = int.from_bytes(os.urandom(10)) & ~(0xF << 76) & ~(0b11 << 62)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | 0b10 << 62 | tail)


def make_function(fn_id: str = FN, **config: Any) -> RegisteredFunction:
    shape = {
        "name": fn_id,
        "module": "songs.functions",
        "triggers": [{"event": fn_id, "if": None}],
        "concurrency": [{"limit": 1, "key": "event.data.userId"}],
        "retries": 3,
        "on_failure": f"{fn_id}-failure",
    }
    row, _ = RegisteredFunction.objects.update_or_create(
        fn_id=fn_id, defaults={"name": fn_id, "config": shape | config}
    )
    return row


def make_event(name: str = FN, at: datetime | None = None, **fields: Any) -> Event:
    at = at or now()
    data = {"songId": str(uuid.uuid4()), "userId": 42}
    return Event.objects.create(
        **{"id": id_at(at), "name": name, "data": data, "ts": at, "received_at": at} | fields
    )


def make_run(at: datetime | None = None, event: Event | None = None, **fields: Any) -> Run:
    at = at or now()
    values: dict[str, Any] = {
        "id": id_at(at),
        "fn_id": FN,
        "event": event or make_event(at=at),
        "created_at": at,
        "due_at": None,
        "turn_keys": [f"{FN}:0:42"],
        "turn_limits": [1],
        "turns_held": 1,
    }
    return Run.objects.create(**values | fields)


def make_step(run: Run, name: str, start: datetime, seconds: float | None, **fields: Any) -> Step:
    """A step that took so many seconds; None: it has not ended."""
    ended = None if seconds is None else start + timedelta(seconds=seconds)
    values = {
        "kind": "run",
        "status": "completed" if ended else "running",
        "position": run.steps.count(),
        "attempts": 1,
        "started_at": start,
        "ended_at": ended,
    }
    return Step.objects.create(run=run, name=name, **values | fields)


def make_attempt(run: Run, name: str, start: datetime, seconds: float, **fields: Any) -> Attempt:
    """An attempt that went well; with `error=True` one that did not."""
    number = run.attempts.filter(step_name=name).count()
    values: dict[str, Any] = {"status": "completed"}
    if fields.pop("error", False):
        values = {
            "status": "error",
            "error_class": ERROR["name"],
            "error_message": ERROR["message"],
            "traceback": TRACEBACK,
        }
    values |= {
        "step_name": name,
        "number": number,
        "started_at": start,
        "ended_at": start + timedelta(seconds=seconds),
        "worker": WORKER,
    }
    return Attempt.objects.create(run=run, **values | fields)


def make_fetch(run: Run, start: datetime, seconds: float, code: int, **fields: Any) -> Fetch:
    body = '{"s3_key": "9f0c/song.mp3"}' if code == 200 else "the GPU <fell> over\nsorry"
    values = {
        "step_name": "call-modal-api",
        "method": "POST",
        "url": "https://studio.example/generate_from_description",
        "headers": {
            "Content-Type": "application/json",
            "Modal-Key": {"$secret": "MODAL_KEY"},
            "Modal-Secret": {"$secret": "MODAL_SECRET"},
        },
        "body": '{"full_described_song": "a sad piano ballad", "audio_duration": 60}',
        "timeout": 600,
        "idempotency_key": f"{run.id}:call-modal-api",
        "status": "answered",
        "response_head": {
            "status_code": code,
            "start": body,
            "bytes": len(body),
            "retry_after": None,
        },
        "created_at": start,
        "sent_at": start,
        "ended_at": start + timedelta(seconds=seconds),
    }
    return Fetch.objects.create(run=run, **values | fields)


def make_line(run: Run, at: datetime, message: str, **fields: Any) -> LogLine:
    return LogLine.objects.create(run=run, at=at, message=message, **fields)


def completed_run(at: datetime | None = None, **fields: Any) -> Run:
    """A song as it should be: queued for 0.8 s, five steps, 21 s of them the endpoint's."""
    at = at or now() - timedelta(minutes=2)
    start = at + timedelta(seconds=0.8)
    run = make_run(
        at,
        status="completed",
        steps_done=5,
        started_at=start,
        ended_at=start + timedelta(seconds=21.9),
        output={"songId": "9f0c", "charged": True},
        worker=WORKER,
        **fields,
    )
    spans = [
        ("check-credits", 0.01, 0.02, {"credits": 7, "prompt": "a <script>sad</script> ballad"}),
        ("set-processing", 0.05, 0.01, None),
        (
            "call-modal-api",
            0.08,
            21.3,
            {"status_code": 200, "headers": {}, "body": json.dumps(REPLY)},
        ),
        ("update-song", 21.6, 0.12, REPLY["categories"]),
        ("deduct-credits", 21.8, 0.03, {"balance": 6}),
    ]
    for name, after, seconds, output in spans:
        begun = start + timedelta(seconds=after)
        kind = "fetch" if name == "call-modal-api" else "run"
        make_step(run, name, begun, seconds, output=output, kind=kind)
        if kind == "fetch":
            make_attempt(run, name, begun, seconds)
    make_fetch(run, start + timedelta(seconds=0.08), 21.3, 200)
    make_line(run, start, "Making “a sad <i>piano</i> ballad” for user 42")
    make_line(run, start + timedelta(seconds=21.7), "2 new categories", step_name="update-song")
    return run


def failed_run(at: datetime | None = None, **fields: Any) -> Run:
    """Four attempts at the endpoint, backing off 15, 30 and 60 s, then given up."""
    at = at or now() - timedelta(minutes=10)
    start = at + timedelta(seconds=4)
    run = make_run(
        at,
        status="failed",
        steps_done=3,  # of them the one that failed
        started_at=start,
        ended_at=start + timedelta(seconds=114),
        error=STEP_ERROR,
        worker=WORKER,
        **fields,
    )
    _two_steps(run, start)
    step = "call-modal-api"
    tries = [(0.1, 2, 15), (17.1, 3, 30), (50.1, 2.5, 60), (112.6, 1.4, None)]
    for after, seconds, backoff in tries:
        begun = start + timedelta(seconds=after)
        retry = begun + timedelta(seconds=seconds + backoff) if backoff else None
        make_attempt(run, step, begun, seconds, error=True, retry_at=retry)
        make_line(run, begun, "the studio answered 500", level="WARNING", step_name=step)
    told = {"error_class": "jobs.errors.StepError", "error_message": STEP_ERROR["message"]}
    make_attempt(run, "", start + timedelta(seconds=114), 0, error=True, **told)
    values = {"kind": "fetch", "status": "failed", "attempts": 4, "error": ERROR}
    make_step(run, step, start + timedelta(seconds=0.1), 113.9, **values)
    make_fetch(run, start + timedelta(seconds=112.6), 1.4, 500, attempt=3)
    return run


def backing_off_run(at: datetime | None = None, **fields: Any) -> Run:
    """Its second attempt failed; retry 2 of 3 is due in 12 s."""
    present = now()
    at = at or present - timedelta(seconds=24)
    start = at + timedelta(seconds=0.4)
    due = present + timedelta(seconds=12)
    values: dict[str, Any] = {"status": "waiting", "reason": Reason.BACKOFF, "due_at": due}
    run = make_run(at, steps_done=2, attempt=2, started_at=start, **values | fields)
    _two_steps(run, start)
    step = "call-modal-api"
    first, second = start + timedelta(seconds=0.1), start + timedelta(seconds=17)
    make_attempt(run, step, first, 2, error=True, retry_at=second)
    make_attempt(run, step, second, 3, error=True, retry_at=due)
    make_step(run, step, first, None, kind="fetch", status="waiting", attempts=2)
    return run


def _two_steps(run: Run, start: datetime) -> None:
    for name, after in (("check-credits", 0.01), ("set-processing", 0.05)):
        begun = start + timedelta(seconds=after)
        make_step(run, name, begun, 0.02, output={"ok": True})
        make_attempt(run, name, begun, 0.02)


def make_cluster(key: str = "melodymaker:1", **fields: Any) -> Cluster:
    return Cluster.objects.create(key=key, host="studio-1", **fields)
