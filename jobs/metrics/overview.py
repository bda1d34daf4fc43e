"""The first look: whether all is well, in a sentence, or what needs an operator, worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from jobs.metrics.clusters import Clusters, clusters
from jobs.metrics.failures import Failures, failures
from jobs.metrics.paused import Paused, Unknown, paused, unknown
from jobs.metrics.present import Present, present
from jobs.metrics.series import Charts, charts
from jobs.metrics.spans import Span

LATE = 30.0  # seconds for which a run may be due before an operator is told


class Level(StrEnum):
    """How bad it is: `bad` keeps work from being done, `warn` wants a look."""

    BAD = "bad"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Need:
    """One line of “What needs you”. `strong` is its beginning, to be set in bold, `rest` goes on
    behind it. `code` says which line it is, and `about` what it is about (a function's id, a
    failure's kind, a cluster's key), for the link."""

    level: Level
    code: str  # no-cluster stalled late failures paused unknown died versions waiting-requests
    strong: str
    rest: str = ""
    about: str = ""

    def __str__(self) -> str:
        return f"{self.strong} {self.rest}".strip()


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that Operations shows of the engine; `functions` and `steps` are asked apart."""

    at: datetime
    span: Span
    sentence: str
    needs: list[Need]
    present: Present
    charts: Charts
    clusters: Clusters
    failures: Failures  # open ones, of all time
    paused: list[Paused] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not self.needs


def overview(span: Span, noun: str = "run") -> Overview:
    """About fifteen queries, each bounded. `noun` is what a run makes, for the sentence."""
    now = present()
    drawn, there, failing = charts(span), clusters(), failures()
    stopped, strangers = paused(), unknown()
    needs = sorted(
        [
            *_of_clusters(there, now),
            *_of_failures(failing),
            *_of_functions(stopped, strangers),
        ],
        key=lambda need: need.level == Level.WARN,
    )
    return Overview(
        at=now.at,
        span=span,
        sentence=str(needs[0]) if needs else _all_is_well(drawn, noun),
        needs=needs,
        present=now,
        charts=drawn,
        clusters=there,
        failures=failing,
        paused=stopped,
        unknown=strangers,
    )


def _all_is_well(drawn: Charts, noun: str) -> str:
    total = drawn.all.total
    many = f"{total.completed:,} {noun}{'' if total.completed == 1 else 's'}"
    wait = total.wait.p50
    typical = "" if wait is None else f", typical wait {in_words(wait)}"
    return f"All is well: {many} in the last {drawn.all.span.label}{typical}."


def in_words(seconds: float) -> str:
    """“0.3 s”, “42 s”, “4 min”, “2 h”, “3 d”."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _of_clusters(there: Clusters, now: Present) -> Iterator[Need]:
    if not there.alive:
        seen = min((c.silent_seconds for c in there.clusters), default=None)
        since = "has ever been heard of" if seen is None else f"is alive since {in_words(seen)}"
        rest = f"{now.queued:,} runs are queued." if now.queued else ""
        yield Need(Level.BAD, "no-cluster", f"No cluster {since}.", rest)
    elif now.oldest_due_seconds > LATE:
        age = in_words(now.oldest_due_seconds)
        yield Need(Level.BAD, "late", f"The oldest due run waits {age}.")


def _of_failures(failing: Failures) -> Iterator[Need]:
    for group in failing.groups[:3]:
        number = f"{group.runs:,} run{'' if group.runs == 1 else 's'} failed"
        yield Need(
            Level.BAD, "failures", number, f"since {group.first:%H:%M}: {group.label}", group.kind
        )


def _of_functions(stopped: list[Paused], strangers: list[Unknown]) -> Iterator[Need]:
    for one in stopped:
        yield Need(Level.WARN, "paused", f"{one.fn_id} is paused.", one.effect, one.fn_id)
    for other in strangers:
        yield Need(
            Level.WARN,
            "unknown",
            f"No cluster knows {other.fn_id}.",
            f"{other.runs:,} runs wait for it.",
            other.fn_id,
        )
