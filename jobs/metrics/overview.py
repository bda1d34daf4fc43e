"""The first look: a sentence that all is well, or what needs an operator, worst first."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from jobs.lib.durations import in_words
from jobs.metrics.clusters import Clusters, clusters
from jobs.metrics.conditions import functions, unreadable
from jobs.metrics.failures import Failures, failures
from jobs.metrics.needs import Need, needs
from jobs.metrics.paused import Paused, Unknown, paused, unknown
from jobs.metrics.series import Charts, Series, charts
from jobs.metrics.spans import Span
from jobs.metrics.unfinished import Unfinished, count_unfinished

__all__ = ["Need", "Overview", "overview"]


@dataclass(frozen=True, slots=True)
class Overview:
    """Operations' figures of the engine; `functions` and `steps` are apart."""

    at: datetime
    span: Span
    sentence: str
    needs: list[Need]
    unfinished: Unfinished
    charts: Charts
    clusters: Clusters
    failures: Failures  # open ones, of all time
    paused: list[Paused] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not self.needs


def overview(span: Span, fn_id: str = "", noun: str = "") -> Overview:
    """Ten bounded queries. The sentence counts the runs of one function, or of all, as `noun` (by
    default “run”): “42 songs”."""
    now = count_unfinished()
    drawn, there = charts(span), clusters()
    failing = failures(names=there.names_of_workers)
    rows = functions()
    stopped, strangers, odd = paused(rows), unknown(now), unreadable(rows)
    counted = drawn.of(fn_id) if fn_id else drawn.all
    told = needs(now, there, failing, stopped, strangers, odd)
    return Overview(
        at=now.at,
        span=span,
        sentence=str(told[0]) if told else _all_is_well(counted, noun or "run"),
        needs=told,
        unfinished=now,
        charts=drawn,
        clusters=there,
        failures=failing,
        paused=stopped,
        unknown=strangers,
    )


def _all_is_well(series: Series, noun: str) -> str:
    total = series.total
    many = f"{total.completed:,} {noun}{'' if total.completed == 1 else 's'}"
    wait = total.wait.p50
    typical = "" if wait is None else f", typical wait {in_words(wait)}"
    return f"All is well: {many} in the last {series.span.label}{typical}."
