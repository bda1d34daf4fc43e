"""Charts' bars of counts, waits and run times, from rollups and later ends."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models.functions import Now

from jobs.metrics.ended_runs import Count, counted
from jobs.metrics.histograms import Histogram
from jobs.metrics.spans import HOUR, Span
from jobs.models import FINISHED, Rollup, RollupMark, RunStatus
from jobs.platform.postgres.clock import database_clock

MAX_LIVE = 5_000  # later ends of a page


@dataclass(slots=True)
class Bar:
    """What ended from `at` on and before `until`."""

    at: datetime
    until: datetime
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    wait: Histogram = field(default_factory=Histogram)  # seconds from due to first start
    took: Histogram = field(default_factory=Histogram)  # seconds from first start to the end

    @property
    def ended(self) -> int:
        """Without skipped runs, which never began."""
        return self.completed + self.failed + self.cancelled

    @property
    def success_rate(self) -> float | None:
        """Completed ones' share of the completed and failed, 0 to 1; None without any."""
        tried = self.completed + self.failed
        return self.completed / tried if tried else None

    def add(self, count: Count) -> None:
        name = RunStatus(count.status).value
        setattr(self, name, getattr(self, name) + count.runs)
        self.wait.merge(count.waits.counts)
        self.took.merge(count.times.counts)


@dataclass(slots=True)
class Series:
    """A span's bars, oldest first; the last still grows."""

    span: Span
    now: datetime  # by the database's clock
    bars: list[Bar]

    @property
    def since(self) -> datetime:
        return self.bars[0].at

    @property
    def total(self) -> Bar:
        whole = Bar(self.since, self.now)
        for bar in self.bars:
            for name in map(str, FINISHED):
                setattr(whole, name, getattr(whole, name) + getattr(bar, name))
            whole.wait.merge(bar.wait.counts)
            whole.took.merge(bar.took.counts)
        return whole

    @property
    def completed(self) -> list[int]:
        return [bar.completed for bar in self.bars]

    @property
    def failed(self) -> list[int]:
        return [bar.failed for bar in self.bars]


@dataclass(slots=True)
class Charts:
    """Of all functions together, and of each with an end in the span."""

    all: Series
    by_function: dict[str, Series]

    def of(self, fn_id: str) -> Series:
        series = self.by_function.get(fn_id)
        return series if series is not None else empty(self.all.span, self.all.now)


def empty(span: Span, now: datetime) -> Series:
    starts = span.starts(now)
    return Series(span, now, [Bar(at, at + span.bar) for at in starts])


def charts(span: Span) -> Charts:
    """Three queries. The last seconds' ends are counted from the runs, up to MAX_LIVE."""
    mark = RollupMark.objects.annotate(now=Now()).first()
    now: datetime = mark.now if mark is not None else database_clock().at
    found = Charts(empty(span, now), {})
    starts = [bar.at for bar in found.all.bars]
    series: dict[str, Series] = defaultdict(lambda: empty(span, now))
    for count in _counts(mark, span, starts[0], now):
        place = bisect_right(starts, count.at) - 1
        if place >= 0:
            found.all.bars[place].add(count)
            series[count.fn_id].bars[place].add(count)
    found.by_function = dict(series)
    return found


def _counts(mark: RollupMark | None, span: Span, since: datetime, now: datetime) -> Iterator[Count]:
    live_since = since
    if mark is not None:
        live_since = max(since, mark.rolled_to)
        hours_to = max(mark.folded_to, since) if span.bar >= HOUR else since
        yield from _rolled(since, hours_to, live_since)
    yield from counted(live_since, now, MAX_LIVE).values()


def _rolled(since: datetime, hours_to: datetime, until: datetime) -> Iterator[Count]:
    """By hours up to `hours_to`, by minutes from there; each of one stretch of the index."""
    if since >= until:
        return
    columns = ("fn_id", "at", "status", "runs", "waits", "times")
    hours, minutes = (
        Rollup.objects.filter(minutes=size, at__gte=begin, at__lt=end).order_by()
        for size, begin, end in ((60, since, hours_to), (1, hours_to, until))
    )
    rows = hours.values_list(*columns).union(minutes.values_list(*columns), all=True)
    for fn_id, at, status, runs, waits, times in rows:
        yield Count(fn_id, at, status, runs, Histogram(waits), Histogram(times))
