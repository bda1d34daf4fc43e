"""What an event may be called, and which names a function can wait for in vain."""

from __future__ import annotations

from typing import Any

from jobs.lib.excerpts import quoted
from jobs.lib.json_values import is_name
from jobs.lib.secrets import names_in
from jobs.models.event import TOLD_OF_RUNS

LIMIT = 256  # characters
ENGINE, INNGEST = "jobs/", "inngest/"
RESERVED = (ENGINE, INNGEST)
ANY = "*"
TOLD = ", ".join(f"“{name}”" for name in TOLD_OF_RUNS)


def is_event_name(name: Any) -> bool:
    """Whether `send` accepts this event name, or pattern."""
    return is_name(name, LIMIT) and not names_in(name)


def is_reserved(name: str) -> bool:
    return name.lower().startswith(RESERVED)


def problem_of(name: Any, *, is_pattern: bool = False) -> str:
    """Of a name that a trigger, a wait or a Cancel listens to; empty if such an event can come."""
    if not is_event_name(name):
        return (
            f"event={quoted(name)} is not an event's name, 1 to {LIMIT} characters that can be "
            "stored and hold no secret."
        )
    if ANY in name and not is_pattern:
        return f"event={quoted(name)}: one event's name is allowed; “*” is for triggers alone."
    if is_reserved(name) and ANY not in name and name not in TOLD_OF_RUNS:
        return f"event={quoted(name)}: no such event comes. The engine's are {TOLD}.{_meant(name)}"
    if name.startswith(INNGEST):
        return f"event={quoted(name)}: no such event comes. The engine's begin with “{ENGINE}”."
    return ""


def _meant(name: str) -> str:
    if name.endswith("/scheduled.timer"):
        return " TriggerCron starts a function by the clock."
    meant = ENGINE + name.partition("/")[2]
    return f" Write “{meant}”." if meant in TOLD_OF_RUNS else ""
