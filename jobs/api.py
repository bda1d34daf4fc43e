"""The public door: all that an app needs from the engine.

    from jobs.api import create_function, TriggerEvent, Concurrency, Context, Event, send

Names follow Inngest's Python SDK: functions port line by line.
"""

from __future__ import annotations

from jobs.control.answers import Answers, answers
from jobs.control.bulk import bulk
from jobs.control.cancellation import cancel
from jobs.control.dealt_with import Dealt, deal_with
from jobs.control.forgetting import forget, unfinished_runs
from jobs.control.form_submissions import FIELD as FORM_TOKEN
from jobs.control.form_submissions import Outcome, StaleForm, once
from jobs.control.pauses import pause, replay_skipped, resume
from jobs.control.reruns import rerun
from jobs.control.results import CannotWait, RunFailed, RunUnfinished, result
from jobs.errors import (
    FetchCode,
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
    UnknownEvent,
    UnknownFunction,
    UnknownRun,
    UnknownSecret,
)
from jobs.events.event import Event
from jobs.events.intake import send
from jobs.events.requester import asked_by
from jobs.execution.context import Context
from jobs.fetch.response import Response
from jobs.ids import new_id
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.secrets import Secret
from jobs.lib.visible import one_line, shows
from jobs.platform.postgres.outages import is_unavailable, why_unavailable
from jobs.registry.decorator import create_function
from jobs.registry.function import Function
from jobs.registry.options import Cancel, Concurrency, Timeouts, TriggerCron, TriggerEvent
from jobs.runs.hook_events import under_way
from jobs.runs.latest import LatestRun, latest_runs
from jobs.runs.standstill import standstill
from jobs.runs.state import RunState, runs_of, status

__all__ = [
    "FORM_TOKEN",
    "Answers",
    "Cancel",
    "CannotWait",
    "Concurrency",
    "Context",
    "Dealt",
    "Event",
    "FetchCode",
    "Function",
    "InvalidEvent",
    "InvalidExpression",
    "InvalidFunction",
    "InvalidOutput",
    "InvalidStep",
    "InvalidTransition",
    "JobsError",
    "LatestRun",
    "NonRetriableError",
    "NotAllowed",
    "Outcome",
    "Response",
    "RetryAfterError",
    "RunFailed",
    "RunState",
    "RunUnfinished",
    "Secret",
    "StaleForm",
    "StepError",
    "Timeouts",
    "TriggerCron",
    "TriggerEvent",
    "UnknownEvent",
    "UnknownFunction",
    "UnknownRun",
    "UnknownSecret",
    "answers",
    "asked_by",
    "bulk",
    "cancel",
    "create_function",
    "deal_with",
    "excerpt",
    "forget",
    "is_unavailable",
    "latest_runs",
    "new_id",
    "once",
    "one_line",
    "pause",
    "quoted",
    "replay_skipped",
    "rerun",
    "result",
    "resume",
    "runs_of",
    "send",
    "shows",
    "standstill",
    "status",
    "under_way",
    "unfinished_runs",
    "why_unavailable",
]
