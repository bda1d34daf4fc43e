"""The public door: everything that an app needs in order to work with the engine.

    from jobs.api import create_function, TriggerEvent, Concurrency, Context, Event, send

Names follow Inngest's official Python SDK, so that a function ports line by line.
"""

from __future__ import annotations

from jobs.askers import asked_by
from jobs.bulk import bulk
from jobs.control import cancel, rerun
from jobs.errors import (
    InvalidEvent,
    InvalidExpression,
    InvalidFunction,
    InvalidOutput,
    InvalidStep,
    InvalidTransition,
    JobsError,
    NonRetriableError,
    NotAllowed,
    RetryAfterError,
    StepError,
    UnknownFunction,
    UnknownRun,
    UnknownSecret,
)
from jobs.events import Event, send
from jobs.excerpts import excerpt, quoted
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
from jobs.submissions import FIELD as FORM_TOKEN
from jobs.submissions import Outcome, StaleForm, once

__all__ = [
    "FORM_TOKEN",
    "Cancel",
    "Concurrency",
    "Context",
    "Event",
    "Function",
    "InvalidEvent",
    "InvalidExpression",
    "InvalidFunction",
    "InvalidOutput",
    "InvalidStep",
    "InvalidTransition",
    "JobsError",
    "NonRetriableError",
    "NotAllowed",
    "Outcome",
    "Response",
    "RetryAfterError",
    "Secret",
    "StaleForm",
    "StepError",
    "Timeouts",
    "TriggerCron",
    "TriggerEvent",
    "UnknownFunction",
    "UnknownRun",
    "UnknownSecret",
    "asked_by",
    "bulk",
    "cancel",
    "create_function",
    "excerpt",
    "is_unavailable",
    "new_id",
    "once",
    "pause",
    "quoted",
    "replay_skipped",
    "rerun",
    "resume",
    "send",
    "standstill",
    "under_way",
    "why_unavailable",
]
