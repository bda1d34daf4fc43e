"""SVG charts drawn by the server: stacked columns, lines for times, and sparklines.

Places along the time axis are percentages, so a drawing fills its box; heights are pixels. Each
column's name has its figures, which also stand in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.words import span
from jobs.metrics.histograms import Histogram
from jobs.metrics.series import Bar, Series
from jobs.models import FINISHED

TOP = 22.0  # pixels; a column's figures stand above
BOTTOM = 140.0
SPARK = 28.0
OUTCOMES = tuple(map(str, FINISHED))
GAP = 0.15  # of a column's width


@dataclass(frozen=True, slots=True)
class Part:
    kind: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    x: str  # of the bar, in percent
    width: str
    hit_x: str  # of the place that the pointer can hit
    hit_width: str
    label: str
    parts: tuple[Part, ...]
    cells: tuple[str, ...]  # its table row


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a box of 100 by 100."""

    kind: str
    points: str


@dataclass(frozen=True, slots=True)
class Chart:
    id: str
    title: str
    most: str  # what the chart's top stands for
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    legend: tuple[tuple[str, str], ...]  # (class, word)
    heads: tuple[str, ...]
    times: tuple[str, str, str]  # beginning, middle, end


def outcomes(series: Series) -> Chart:
    most = max((_all(bar) for bar in series.bars), default=0)
    found = [name for name in OUTCOMES if any(getattr(bar, name) for bar in series.bars)]
    columns = []
    for index, bar in enumerate(series.bars):
        counts = [(name, getattr(bar, name)) for name in OUTCOMES]
        told = ", ".join(f"{number:,} {name}" for name, number in counts if number) or "nothing"
        cells = tuple(f"{number:,}" for _, number in counts)
        parts = _stacked([(name, n) for name, n in counts if n], most)
        columns.append(_column(index, series, f"{told} ended", parts, cells))
    return Chart(
        id="outcomes",
        title="What ended",
        most=f"{most:,}" if most else "",
        columns=tuple(columns),
        lines=(),
        legend=tuple((f"jobs-part-{name}", name) for name in found),
        heads=OUTCOMES,
        times=_times(series),
    )


def times(series: Series, name: str, title: str) -> Chart:
    """Median and 95th percentile of `wait` or `took` over time."""
    histograms: list[Histogram] = [getattr(bar, name) for bar in series.bars]
    lows, highs = [h.p50 for h in histograms], [h.p95 for h in histograms]
    most = max((value for value in highs if value is not None), default=0.0)
    columns = []
    for index, (low, high) in enumerate(zip(lows, highs, strict=True)):
        cells = (in_words(low), in_words(high))
        told = f"middle {cells[0]}, 95 % within {cells[1]}" if low is not None else "no run"
        columns.append(_column(index, series, told, (), cells))
    lines = [*_lines("low", lows, most), *_lines("high", highs, most)]
    return Chart(
        id=name,
        title=title,
        most=in_words(most) if most else "",
        columns=tuple(columns),
        lines=tuple(lines),
        legend=(("jobs-line-low", "middle"), ("jobs-line-high", "95 % within")) if lines else (),
        heads=("middle", "95 % within"),
        times=_times(series),
    )


def in_words(seconds: float | None) -> str:
    return "–" if seconds is None else span(timedelta(seconds=seconds))


def sparkline(values: Sequence[float], kind: str = "busy") -> SafeString:
    """For the eye alone; words beside it say what it means."""
    most = max(values, default=0) or 1
    width = 100 / (len(values) or 1)
    bars = (
        (_percent(i * width), _percent(width * (1 - GAP)), f"{SPARK - h:.1f}", f"{h:.1f}")
        for i, h in enumerate(SPARK * value / most for value in values)
        if h
    )
    drawn = format_html_join("", '<rect x="{}" width="{}" y="{}" height="{}" rx="1"/>', bars)
    return format_html(
        '<span class="jobs-spark"><svg class="jobs-part-{}" height="28" width="100%"'
        ' aria-hidden="true" focusable="false">{}</svg></span>',
        kind,
        drawn,
    )


def _all(bar: Bar) -> int:
    return sum(getattr(bar, name) for name in OUTCOMES)


def _column(
    index: int, series: Series, told: str, parts: tuple[Part, ...], cells: tuple[str, ...]
) -> Column:
    width = 100 / len(series.bars)
    bar = series.bars[index]
    when = f"{_clock(bar.at, series)}–{_clock(bar.until, series)}"
    return Column(
        x=_percent((index + GAP / 2) * width),
        width=_percent(width * (1 - GAP)),
        hit_x=_percent(index * width),
        hit_width=_percent(width),
        label=f"{when}: {told}",
        parts=parts,
        cells=(when, *cells),
    )


def _stacked(counts: Sequence[tuple[str, int]], most: int) -> tuple[Part, ...]:
    parts, foot = [], BOTTOM
    for kind, number in counts:
        height = max((BOTTOM - TOP) * number / most, 1.5)
        foot -= height
        parts.append(Part(kind=kind, y=f"{foot:.1f}", height=f"{height:.1f}"))
    return tuple(parts)


def _lines(kind: str, values: Sequence[float | None], most: float) -> list[Line]:
    """A line for each stretch of values; a single value is a short level line."""
    lines: list[Line] = []
    points: list[str] = []
    width = 100 / len(values)
    for index, value in enumerate([*values, None]):
        if value is not None:
            y = 100 - 100 * value / (most or 1)
            points += [
                f"{(index + 0.2) * width:.2f},{y:.2f}",
                f"{(index + 0.8) * width:.2f},{y:.2f}",
            ]
        elif points:
            lines.append(Line(kind=kind, points=" ".join(points)))
            points = []
    return lines


def _clock(moment: datetime, series: Series) -> str:
    local = timezone.localtime(moment)
    return f"{local:%a %H:%M}" if series.span.length > timedelta(days=1) else f"{local:%H:%M}"


def _times(series: Series) -> tuple[str, str, str]:
    middle = series.bars[len(series.bars) // 2].at
    return _clock(series.since, series), _clock(middle, series), _clock(series.now, series)


def _percent(value: float) -> str:
    return f"{value:.3f}%"
