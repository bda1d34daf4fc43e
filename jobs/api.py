"""The public door: everything that an app needs in order to work with the engine.

    from jobs.api import create_function, TriggerEvent, Concurrency, Context, Event, send

Names follow Inngest's official Python SDK, so that a function ports line by line.
"""

from __future__ import annotations

from jobs.bulk import bulk
from jobs.control import cancel, rerun
from jobs.errors import (
    InvalidEvent,
    InvalidFunction,
    InvalidStep,
    InvalidTransition,
    JobsError,
    NonRetriableError,
    RetryAfterError,
    StepError,
    UnknownRun,
)
from jobs.events import Event, send
from jobs.fetches import Response
from jobs.hooks import under_way
from jobs.ids import new_id
from jobs.outages import is_unavailable, why_unavailable
from jobs.pausing import pause, replay_skipped, resume
from jobs.pulse import standstill
from jobs.registry import (
    Cancel,
    Concurrency,
    Function,
    Timeouts,
    TriggerCron,
    TriggerEvent,
    create_function,
)
from jobs.secrets import Secret
from jobs.steps import Context

__all__ = [
    "Cancel",
    "Concurrency",
    "Context",
    "Event",
    "Function",
    "InvalidEvent",
    "InvalidFunction",
    "InvalidStep",
    "InvalidTransition",
    "JobsError",
    "NonRetriableError",
    "Response",
    "RetryAfterError",
    "Secret",
    "StepError",
    "Timeouts",
    "TriggerCron",
    "TriggerEvent",
    "UnknownRun",
    "bulk",
    "cancel",
    "create_function",
    "is_unavailable",
    "new_id",
    "pause",
    "replay_skipped",
    "rerun",
    "resume",
    "send",
    "standstill",
    "under_way",
    "why_unavailable",
]
