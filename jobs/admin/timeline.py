"""A run's rows arranged by time: `read_story(run, now)` returns a `Story` of lanes, one a step,
with bars for a drawing or a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from jobs.admin import windows
from jobs.admin.bars import Bar, BarKind, attempt_bars, last_bars
from jobs.admin.windows import NOTHING, Window
from jobs.models import Attempt, AttemptStatus, Fetch, LogLine, Reason, Run, Step, StepKind

MAX_STEPS = 100
MAX_ATTEMPTS = 300
MAX_LOG_LINES = 200
LEAST_PLANNED = timedelta(milliseconds=50)  # shorter times pass anyway
BUSY = {BarKind.DONE, BarKind.ERROR, BarKind.OPEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The name is empty for code between steps."""

    name: str
    step: Step | None
    attempts: tuple[Attempt, ...]
    bars: tuple[Bar, ...]
    number: int  # of the step in its run, or of what has no step, from 1
    is_copied: bool = False  # an earlier run executed it, and its bars are of that one

    @property
    def anchor(self) -> str:
        """On the page; a step keeps it while the window moves on."""
        return f"step-{self.number}" if self.step else f"code-{self.number}"

    @property
    def unseen(self) -> int:
        """Attempts that are not among those read."""
        known = len(self.attempts)
        return max(self.step.attempts - known, 0) if self.step and (known or self.tries > 1) else 0

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
    steps: Window  # those in `lanes`
    lines: Window  # those in `log_lines`
    attempts_cut: bool  # whether the earliest attempts of these steps are not in `lanes`

    @property
    def invokes(self) -> bool:
        """A step invokes a run, or may, beyond those shown."""
        return bool(self.steps.others) or any(lane.invokes for lane in self.lanes)

    @property
    def executed(self) -> list[Lane]:
        """Without the steps that a rerun took over."""
        return [lane for lane in self.lanes if not lane.is_copied]

    @property
    def bars(self) -> Iterable[Bar]:
        yield from self.before
        for lane in self.executed:
            yield from lane.bars

    @property
    def before(self) -> tuple[Bar, ...]:
        """Empty if only later steps are shown."""
        if not self.steps.from_start:
            return ()
        return (self.planned, self.queued) if self.planned else (self.queued,)

    @property
    def span(self) -> tuple[datetime, datetime]:
        """What a drawing of it spans: from the run's start to its end, unless earlier or later
        steps are not shown."""
        starts = [lane.start for lane in self.executed if lane.start]
        ends = [bar.end for lane in self.executed for bar in lane.bars]
        start = self.start if self.steps.from_start else min(starts, default=self.start)
        end = self.end if self.steps.is_latest else max(ends, default=self.end)
        return start, max(start, end)

    @property
    def busy(self) -> list[tuple[datetime, datetime]]:
        return merged((bar.start, bar.end) for bar in self.bars if bar.kind in BUSY)

    @property
    def busy_time(self) -> timedelta:
        return sum((end - start for start, end in self.busy), timedelta())

    @property
    def waited(self) -> timedelta:
        """Without work since the start: backoff, sleep, waits for a worker. Zero while not all
        steps are shown."""
        if self.run.started_at is None or self.steps.others:
            return timedelta()
        return max(self.end - self.queued.end - self.busy_time, timedelta())


def without_outputs(steps: QuerySet[Step]) -> QuerySet[Step]:
    return steps.defer("output")


def read_story(
    run: Run,
    now: datetime,
    outputs: Callable[[QuerySet[Step]], QuerySet[Step]] = without_outputs,
    *,
    last_step: int | None = None,
    last_line: int | None = None,
    with_log: bool = True,
) -> Story:
    """Read a window of the run's rows (four queries, however long it is) and arrange them: the
    latest, or those up to a step and a log line by their numbers. What steps have left is not read,
    unless `outputs` adds it to their query."""
    in_order = run.steps.order_by("position", "id")
    steps, shown = windows.read(in_order, MAX_STEPS, last_step, outputs)
    attempts, fetches = run.attempts.all(), run.fetches.all()
    if shown.others:
        names = [step.name for step in steps]
        attempts = attempts.filter(step_name__in=names)
        fetches = fetches.filter(step_name__in=names)
    tries = list(reversed(attempts.order_by("-id")[:MAX_ATTEMPTS]))
    requests = tuple(reversed(fetches.order_by("-id")[:MAX_STEPS]))
    log_lines: Sequence[LogLine] = ()
    lines = NOTHING
    if with_log:
        log_lines, lines = windows.read(run.log_lines.order_by("id"), MAX_LOG_LINES, last_line)
    end = max(run.ended_at or now, run.created_at)
    return Story(
        run=run,
        start=run.created_at,
        end=end,
        planned=_planned(run, end),
        queued=_queued(run, end),
        lanes=_lanes(run, steps, tries, _sent(requests), end, shown),
        fetches=requests,
        log_lines=tuple(log_lines),
        steps=shown,
        lines=lines,
        attempts_cut=len(tries) == MAX_ATTEMPTS,
    )


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
    shown: Window,
) -> tuple[Lane, ...]:
    tries: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        tries.setdefault(attempt.step_name, []).append(attempt)
    lanes = [
        _lane(run, step.name, step, tries.pop(step.name, []), sent.get(step.name), end, number)
        for number, step in enumerate(steps, shown.first)
    ]
    if not shown.others:
        lanes += [
            _lane(run, name, None, of_name, None, end, number)
            for number, (name, of_name) in enumerate(tries.items(), 1)
        ]
    return tuple(sorted(lanes, key=lambda lane: lane.start or end))


def _lane(
    run: Run,
    name: str,
    step: Step | None,
    tries: list[Attempt],
    sent: datetime | None,
    end: datetime,
    number: int,
) -> Lane:
    bars = list(attempt_bars(tries))
    begun = step.started_at if step else None
    if step is not None and step.is_remembered:
        begun = sent or begun
    bars += last_bars(run, step, tries[-1] if tries else None, begun, end)
    return Lane(
        name=name,
        step=step,
        attempts=tuple(tries),
        bars=tuple(bars),
        number=number,
        is_copied=step is not None and _is_copied(run, step),
    )


def _is_copied(run: Run, step: Step) -> bool:
    """A rerun copies the steps before its first with their times (reruns.py): they ended before
    it was made."""
    return step.is_remembered and step.ended_at is not None and step.ended_at < run.created_at


def merged(intervals: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping and touching intervals become one; in order."""
    union: list[tuple[datetime, datetime]] = []
    for start, end in sorted(intervals):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, max(start, end)))
    return union
