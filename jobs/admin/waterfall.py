"""A story's drawing: places and widths in percent.

Time is even during work. A long idle stretch (a backoff, a sleep, a night before a retry) is
folded: drawn short, marked, and labelled with its length. So 20 s of work stay readable beside 2 h
of waiting.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from jobs.admin.bars import Bar
from jobs.admin.timeline import Lane, Story
from jobs.admin.words import roughly, span

FOLD_SHARE = 0.4  # a fold's share of all the work …
FOLD_GAIN = 1.5  # … if that shortens it this much
LEAST_WORK = 1.0  # seconds
LEAST_WIDTH = 0.1  # percent; SVG draws no rectangle of width 0
TICK_STEPS = (0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 21_600, 86_400)
MAX_TICKS = 6
TICK_ROOM = 16.0  # percent between labels, and before the right edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    start: datetime
    end: datetime
    x: float
    width: float
    folded: bool

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A rectangle or line; `x` and `width` in percent, as in SVG."""

    x: str
    width: str
    kind: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    title: str
    anchor: str
    kind: str
    status: str
    duration: timedelta | None
    marks: tuple[Mark, ...]
    is_copied: bool = False  # of an earlier run, and so without marks on this one's axis


@dataclass(frozen=True, kw_only=True)
class Waterfall:
    rows: tuple[Row, ...]
    ticks: tuple[Mark, ...]
    folds: tuple[Mark, ...]

    @cached_property
    def grid(self) -> SafeString:
        """What each row has behind its bars; made once."""
        lines = format_html_join(
            "",
            '<line class="jobs-grid" x1="{0}" x2="{0}" y1="0" y2="26"/>',
            ((tick.x,) for tick in self.ticks),
        )
        folds = format_html_join(
            "",
            '<rect class="jobs-fold" x="{}" width="{}" y="0" height="26"/>',
            ((fold.x, fold.width) for fold in self.folds),
        )
        return lines + folds


def draw(story: Story) -> Waterfall:
    start, end = story.span
    pieces = axis(start, end, story.busy)
    queued = Row(
        title="queued",
        anchor="",
        kind="",
        status="",
        duration=story.queued.duration,
        marks=tuple(_mark(bar, pieces) for bar in story.before),
    )
    lanes = tuple(_row(lane, pieces) for lane in story.lanes)
    return Waterfall(
        rows=((queued,) if story.before else ()) + lanes,
        ticks=tuple(_ticks(pieces, start)),
        folds=tuple(_folds(pieces)),
    )


def axis(
    start: datetime, end: datetime, busy: Iterable[tuple[datetime, datetime]]
) -> tuple[Piece, ...]:
    stretches = list(_stretches(start, end, busy))
    work = sum((b - a).total_seconds() for a, b, idle in stretches if not idle)
    longest = max(work, LEAST_WORK) * FOLD_SHARE
    folded = [idle and (b - a).total_seconds() > longest * FOLD_GAIN for a, b, idle in stretches]
    drawn = [
        longest if fold else (b - a).total_seconds()
        for (a, b, _), fold in zip(stretches, folded, strict=True)
    ]
    scale = 100 / (sum(drawn) or 1)
    pieces, x = [], 0.0
    for (a, b, _), length, fold in zip(stretches, drawn, folded, strict=True):
        pieces.append(Piece(start=a, end=b, x=x, width=length * scale, folded=fold))
        x += length * scale
    return tuple(pieces)


def _stretches(
    start: datetime, end: datetime, busy: Iterable[tuple[datetime, datetime]]
) -> Iterable[tuple[datetime, datetime, bool]]:
    """(from, to, is idle), in order."""
    at = start
    for begins, ends in busy:
        begins, ends = max(begins, at), min(max(ends, at), end)
        if begins > at:
            yield at, min(begins, end), True
        if ends > begins:
            yield begins, ends, False
        at = max(at, min(max(begins, ends), end))
    if end > at:
        yield at, end, True


def place(moment: datetime, pieces: tuple[Piece, ...]) -> float:
    """In percent; moments off the axis are at its ends."""
    for piece in pieces:
        if moment <= piece.end:
            passed = max((moment - piece.start).total_seconds(), 0.0)
            return piece.x + piece.width * (passed / piece.seconds if piece.seconds else 0.0)
    return 100.0 if pieces else 0.0


def _row(lane: Lane, pieces: tuple[Piece, ...]) -> Row:
    return Row(
        title=lane.title,
        anchor=lane.anchor,
        kind=lane.step.get_kind_display() if lane.step else "",
        status=lane.status,
        duration=lane.duration,
        marks=() if lane.is_copied else tuple(_mark(bar, pieces) for bar in lane.bars),
        is_copied=lane.is_copied,
    )


def _mark(bar: Bar, pieces: tuple[Piece, ...]) -> Mark:
    left, right = place(bar.start, pieces), place(bar.end, pieces)
    return Mark(
        x=_percent(left),
        width=_percent(max(right - left, LEAST_WIDTH)),
        kind=bar.kind,
        label=f"{bar.label}: {span(bar.duration)}",
    )


def _folds(pieces: tuple[Piece, ...]) -> Iterable[Mark]:
    for piece in pieces:
        if piece.folded:
            yield Mark(
                x=_percent(piece.x),
                width=_percent(piece.width),
                kind="fold",
                label=roughly(piece.end - piece.start),
            )


def _ticks(pieces: tuple[Piece, ...], start: datetime) -> Iterable[Mark]:
    """Round times since the run was made, where their labels have room."""
    evenly = [piece for piece in pieces if not piece.folded and piece.seconds]
    seconds = sum(piece.seconds for piece in evenly)
    step = next((s for s in TICK_STEPS if seconds / s <= MAX_TICKS), TICK_STEPS[-1])
    last, said = -TICK_ROOM, ""
    for piece in evenly:
        since = (piece.start - start).total_seconds()
        number = -(-since // step)
        while number * step <= since + piece.seconds:
            x = piece.x + piece.width * ((number * step - since) / piece.seconds)
            label = _tick_label(number * step)
            if x - last >= TICK_ROOM and x + TICK_ROOM <= 100 and label != said:
                yield Mark(x=_percent(x), width="0", kind="tick", label=label)
                last, said = x, label
            number += 1


def _tick_label(seconds: float) -> str:
    if not seconds:
        return "0"
    duration = timedelta(seconds=seconds)
    return roughly(duration) if seconds == int(seconds) else span(duration)


def _percent(value: float) -> str:
    return f"{min(max(value, 0.0), 100.0):.3f}%"
