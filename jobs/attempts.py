"""Every try leaves its trace: class, message, traceback, times (law 11). Secrets are masked."""

from __future__ import annotations

import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jobs import models
from jobs.claims import Claim
from jobs.ids import new_key
from jobs.journal import Journal
from jobs.records import StepRecord
from jobs.secrets import mask

MESSAGE_LIMIT = 4_000
TRACEBACK_LIMIT = 40_000
HERE = str(Path(__file__).parent)
WITHOUT_ERROR = {"error_class": "", "error_message": "", "traceback": "", "retry_at": None}


def describe(error: BaseException) -> dict[str, Any]:
    """An error as it is remembered: {"name", "message", "stack"}, as Inngest writes it."""
    return {
        "name": type(error).__name__,
        "message": storable(text_of(error), MESSAGE_LIMIT),
        "stack": stack_of(error),
    }


def text_of(error: BaseException) -> str:
    """What an error says; not every class can say it."""
    try:
        return str(error)
    except Exception as mute:
        return f"(its text cannot be had: {type(mute).__name__})"


def stack_of(error: BaseException) -> str:
    """The traceback from the author's first frame on: the engine's own frames above it are left
    out, and so are local variables."""
    story = traceback.TracebackException.from_exception(error, capture_locals=False)
    frames = list(story.stack)
    if error.__traceback__ is None:  # an answer's error was made, not raised: it is the call's
        frames = _frames_of_the_call()
    while len(frames) > 1 and frames[0].filename.startswith(HERE):
        frames.pop(0)
    story.stack = traceback.StackSummary.from_list(frames)
    text = storable("".join(story.format()))
    if len(text) > TRACEBACK_LIMIT:
        half = TRACEBACK_LIMIT // 2
        text = f"{text[:half]}\n… {len(text) - TRACEBACK_LIMIT:,} characters cut …\n{text[-half:]}"
    return text


def _frames_of_the_call() -> list[traceback.FrameSummary]:
    """From the function's first frame to the one that called the engine."""
    frames = list(traceback.extract_stack())
    inside = [i for i, frame in enumerate(frames) if frame.filename.startswith(HERE)]
    authors = [i for i, frame in enumerate(frames) if not frame.filename.startswith(HERE)]
    called = [i for i in authors if inside and inside[0] < i < inside[-1]]
    return frames[called[0] : called[-1] + 1] if called else []


def storable(text: str, limit: int | None = None) -> str:
    """A text that PostgreSQL takes, secrets masked."""
    clean = mask(text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode())
    if limit is not None and len(clean) > limit:
        clean = clean[: limit - 1] + "…"
    return clean


class Attempts:
    """Writes the attempts of one execution into its journal."""

    def __init__(self, claim: Claim, journal: Journal, worker: str = "") -> None:
        self._claim = claim
        self._journal = journal

    def went_well(self, step: StepRecord, started: datetime, ended: datetime) -> None:
        """A step that goes well when it is first tried has its trace in its own row, when it began
        and when it ended, and in its request's. That is nearly every step, and a row less for
        each. One that was tried before has the error of that, also when somebody has given it all
        its attempts again."""
        if step.attempts or step.error is not None:
            self._note(step.name, step.attempts, models.AttemptStatus.COMPLETED, started, ended)

    def erred(
        self,
        step_name: str,
        number: int,
        error: BaseException,
        started: datetime,
        delay: float | None,
        ended: datetime | None = None,
    ) -> dict[str, Any]:
        """Record a failed attempt; returns the error as it is remembered."""
        now = self._claim.clock.now()
        story = describe(error)
        self._note(
            step_name,
            number,
            models.AttemptStatus.ERROR,
            started,
            ended or now,
            error_class=class_path(error),
            error_message=story["message"],
            traceback=story["stack"],
            retry_at=None if delay is None else now + timedelta(seconds=delay),
        )
        return story

    def _note(
        self,
        step_name: str,
        number: int,
        status: models.AttemptStatus,
        started: datetime,
        ended: datetime,
        **error: Any,
    ) -> None:
        """A row of the table, not a model's instance: nobody looks at it before it is written."""
        self._journal.attempts.append(
            {
                "id": new_key(),
                "step_name": step_name,
                "number": number,
                "status": status,
                "started_at": started,
                "ended_at": max(started, ended),
                "worker": self._claim.worker,
                **(error or WITHOUT_ERROR),
            }
        )


def class_path(error: BaseException) -> str:
    """“module.Class”, the module left out for Python's own."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"[:300]
