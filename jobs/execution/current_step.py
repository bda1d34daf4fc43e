"""A worker's current step, as text in shared memory."""

from __future__ import annotations

import json
import time
import uuid

from jobs import models
from jobs.lib.json_values import ENCODER
from jobs.runs.step_record import StepRecord


def encode_current_step(step: StepRecord | models.Step) -> str:
    """From this text the heartbeat (lost_workers) and requeue write the step's row and attempt."""
    current_step = [step.name, step.kind, step.detail, time.monotonic()]
    return ENCODER.encode(current_step)


def decode_current_step(current_step: str, run_id: uuid.UUID) -> tuple[models.Step, float] | None:
    """The unsaved step and its seconds so far; None if unreadable."""
    try:
        name, kind, detail, began = json.loads(current_step)
    except ValueError:
        return None
    step = models.Step(run_id=run_id, name=name, kind=kind, detail=detail)
    return step, max(time.monotonic() - began, 0.0)
