"""A step's bars: attempts, waits between them, and what no attempt records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from jobs.models import Attempt, AttemptStatus, Run, RunStatus, Step, StepKind, StepStatus


class BarKind(StrEnum):
    QUEUE = "queue"  # from the first possible start to the start
    DONE = "done"
    ERROR = "error"
    OPEN = "open"
    BACKOFF = "backoff"  # from an error to the next attempt
    WAIT = "wait"  # sleep, or a wait for another


WAITS = {StepKind.SLEEP, StepKind.WAIT, StepKind.INVOKE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    kind: BarKind
    start: datetime
    end: datetime
    label: str

    @property
    def duration(self) -> timedelta:
        return max(self.end - self.start, timedelta())


def attempt_bars(tries: Sequence[Attempt]) -> Iterable[Bar]:
    for index, attempt in enumerate(tries):
        if index:
            yield _between(tries[index - 1], attempt)
        failed = attempt.status == AttemptStatus.ERROR
        label = f"attempt {index + 1}" + (f": {attempt.error_class}" if failed else "")
        kind = BarKind.ERROR if failed else BarKind.DONE
        yield Bar(kind=kind, start=attempt.started_at, end=attempt.ended_at, label=label)


def _between(before: Attempt, after: Attempt) -> Bar:
    planned = before.retry_at is not None
    return Bar(
        kind=BarKind.BACKOFF if planned else BarKind.WAIT,
        start=before.ended_at,
        end=max(after.started_at, before.ended_at),
        label="backing off" if planned else "until it was tried again",
    )


def last_bars(
    run: Run, step: Step | None, last: Attempt | None, begun: datetime | None, end: datetime
) -> Iterable[Bar]:
    """What no attempt records: current or first-try work, a wait, a running backoff."""
    if last is not None and last.status == AttemptStatus.COMPLETED:
        return
    since = last.ended_at if last else begun
    until = (step.ended_at if step else None) or end
    if since is None or (last and last.retry_at is None) or until < since:
        return
    if last and last.retry_at:
        under_way = run.status == RunStatus.RUNNING or (step is not None and step.is_remembered)
        resumed = min(max(last.retry_at, since), until) if under_way else until
        yield Bar(kind=BarKind.BACKOFF, start=since, end=resumed, label="backing off")
        since = resumed
    if step is not None and (since < until or last is None):
        kind, label = _work(run, step)
        yield Bar(kind=kind, start=since, end=until, label=label)


def _work(run: Run, step: Step) -> tuple[BarKind, str]:
    if step.kind in WAITS:
        return BarKind.WAIT, step.get_kind_display()
    if step.status == StepStatus.COMPLETED:
        return BarKind.DONE, "done"
    if step.status == StepStatus.FAILED:
        return BarKind.ERROR, "failed"
    if run.is_finished:
        return BarKind.OPEN, "not done when the run ended"
    return BarKind.OPEN, "under way"
