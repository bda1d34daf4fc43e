"""A run's rows arranged by time: `tell(run, now)` returns a `Story` of lanes, one a step, with bars
for a drawing or a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Manager, QuerySet

from jobs.admin.bars import Bar, BarKind, attempt_bars, last_bars
from jobs.models import Attempt, AttemptStatus, Fetch, LogLine, Reason, Run, Step, StepKind

MOST_STEPS = 300
MOST_ATTEMPTS = 1000
MOST_LOG_LINES = 500
LEAST_PLANNED = timedelta(milliseconds=50)  # shorter times pass anyway
BUSY = {BarKind.DONE, BarKind.ERROR, BarKind.OPEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The name is empty for code between steps."""

    name: str
    step: Step | None
    attempts: tuple[Attempt, ...]
    bars: tuple[Bar, ...]

    @property
    def title(self) -> str:
        return self.name or "the function itself"

    @property
    def status(self) -> str:
        """The step's; without a row, the last attempt's."""
        if self.step is not None:
            return self.step.status
        return str(self.attempts[-1].status) if self.attempts else ""

    @property
    def invokes(self) -> bool:
        return self.step is not None and self.step.kind == StepKind.INVOKE

    @property
    def start(self) -> datetime | None:
        return self.bars[0].start if self.bars else None

    @property
    def duration(self) -> timedelta | None:
        return self.bars[-1].end - self.bars[0].start if self.bars else None

    @property
    def tries(self) -> int:
        return max(len(self.attempts), self.step.attempts if self.step else 0)

    @property
    def errors(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.status == AttemptStatus.ERROR]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    run: Run
    start: datetime
    end: datetime
    planned: Bar | None  # before it could start
    queued: Bar
    lanes: tuple[Lane, ...]
    fetches: tuple[Fetch, ...]
    log_lines: tuple[LogLine, ...]
    more_steps: int  # beyond MOST_STEPS, not in `lanes`
    earlier_lines: int  # before the last MOST_LOG_LINES

    @property
    def invokes(self) -> bool:
        """A step invokes a run, or may, beyond those shown."""
        return bool(self.more_steps) or any(lane.invokes for lane in self.lanes)

    @property
    def bars(self) -> Iterable[Bar]:
        yield from self.before
        for lane in self.lanes:
            yield from lane.bars

    @property
    def before(self) -> tuple[Bar, ...]:
        return (self.planned, self.queued) if self.planned else (self.queued,)

    @property
    def busy(self) -> list[tuple[datetime, datetime]]:
        return merged((bar.start, bar.end) for bar in self.bars if bar.kind in BUSY)

    @property
    def busy_time(self) -> timedelta:
        return sum((end - start for start, end in self.busy), timedelta())

    @property
    def waited(self) -> timedelta:
        """Without work since the start: backoff, sleep, waits for a worker."""
        if self.run.started_at is None:
            return timedelta()
        return max(self.end - self.queued.end - self.busy_time, timedelta())


def tell(
    run: Run,
    now: datetime,
    steps_of_it: QuerySet[Step] | None = None,
    *,
    with_log: bool = True,
) -> Story:
    """Four queries, however long the run is. The steps' outputs are not read, unless a query is
    given that does so."""
    rows = run.steps.defer("output") if steps_of_it is None else steps_of_it
    steps = list(rows.order_by("position", "id")[:MOST_STEPS])
    attempts = list(run.attempts.order_by("id")[:MOST_ATTEMPTS])
    fetches = tuple(run.fetches.order_by("id")[:MOST_STEPS])
    newest = run.log_lines.order_by("-id")[:MOST_LOG_LINES]
    log_lines = tuple(reversed(newest)) if with_log else ()
    more_steps = _beyond(run.steps, len(steps), MOST_STEPS)
    end = max(run.ended_at or now, run.created_at)
    return Story(
        run=run,
        start=run.created_at,
        end=end,
        planned=_planned(run, end),
        queued=_queued(run, end),
        lanes=_lanes(run, steps, attempts, _sent(fetches), end, whole=not more_steps),
        fetches=fetches,
        log_lines=log_lines,
        more_steps=more_steps,
        earlier_lines=_beyond(run.log_lines, len(log_lines), MOST_LOG_LINES),
    )


def _beyond(rows: Manager[Any], shown: int, most: int) -> int:
    return rows.count() - shown if shown == most else 0


def _ready(run: Run, end: datetime) -> datetime:
    """`end` while the run stands still."""
    started = run.started_at or end
    stands_still = run.started_at is None and run.reason == Reason.PAUSED
    ready = started if stands_still else run.ready_at or run.created_at
    return max(min(ready, started), run.created_at)


def _planned(run: Run, end: datetime) -> Bar | None:
    ready = _ready(run, end)
    if ready - run.created_at < LEAST_PLANNED:
        return None
    return Bar(kind=BarKind.WAIT, start=run.created_at, end=ready, label="until it could start")


def _queued(run: Run, end: datetime) -> Bar:
    started = max(run.started_at or end, run.created_at)
    label = "queued" if run.started_at else "queued, not started"
    return Bar(kind=BarKind.QUEUE, start=_ready(run, end), end=started, label=label)


def _sent(fetches: Iterable[Fetch]) -> dict[str, datetime]:
    """A request's work begins when it is sent."""
    return {fetch.step_name: fetch.sent_at for fetch in fetches if fetch.sent_at}


def _lanes(
    run: Run,
    steps: Sequence[Step],
    attempts: Iterable[Attempt],
    sent: dict[str, datetime],
    end: datetime,
    *,
    whole: bool,
) -> tuple[Lane, ...]:
    tries: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        tries.setdefault(attempt.step_name, []).append(attempt)
    lanes = [
        _lane(run, step.name, step, tries.pop(step.name, []), sent.get(step.name), end)
        for step in steps
    ]
    if whole:
        lanes += [_lane(run, name, None, of_name, None, end) for name, of_name in tries.items()]
    return tuple(sorted(lanes, key=lambda lane: lane.start or end))


def _lane(
    run: Run,
    name: str,
    step: Step | None,
    tries: list[Attempt],
    sent: datetime | None,
    end: datetime,
) -> Lane:
    bars = list(attempt_bars(tries))
    begun = step.started_at if step else None
    if step is not None and step.is_remembered:
        begun = sent or begun
    bars += last_bars(run, step, tries[-1] if tries else None, begun, end)
    return Lane(name=name, step=step, attempts=tuple(tries), bars=tuple(bars))


def merged(intervals: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping and touching intervals become one; in order."""
    union: list[tuple[datetime, datetime]] = []
    for start, end in sorted(intervals):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, max(start, end)))
    return union
