"""The tiles of Operations: each a number, what it counts, and its list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString

from jobs.admin.charts import in_words, sparkline
from jobs.admin.words import percent
from jobs.metrics.overview import Overview
from jobs.models import Reason, RunStatus

NOTHING = SafeString("")
WAITS = {  # why runs wait, in the order of the tiles
    Reason.FETCH: "waiting: HTTP in flight",
    Reason.BACKOFF: "waiting: backing off",
    Reason.SLEEP: "waiting: sleeping",
    Reason.EVENT: "waiting for an event",
    Reason.INVOKE: "waiting for a function",
}


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    note: str
    url: str
    spark: SafeString = NOTHING


def tiles(found: Overview) -> list[Tile]:
    return [*_now(found), *_ended(found)]


def _now(found: Overview) -> Iterator[Tile]:
    now, series = found.unfinished, found.charts.all
    more = "+" if now.is_capped else ""
    oldest = (
        f"oldest due for {in_words(now.oldest_due_seconds)}" if now.oldest_due else "none is due"
    )
    wait = [bar.wait.p50 or 0.0 for bar in series.bars]
    yield Tile(
        "queued", f"{now.queued:,}{more}", oldest, _runs(status__exact="queued"), sparkline(wait)
    )
    took = [bar.took.p50 or 0.0 for bar in series.bars]
    workers = f"{found.clusters.workers} workers"
    yield Tile(
        "running",
        f"{now.running:,}{more}",
        workers,
        _runs(status__exact="running"),
        sparkline(took),
    )
    turns = now.count(RunStatus.QUEUED, Reason.TURN)
    if turns:
        yield Tile("wait for their turn", f"{turns:,}{more}", "", _runs(reason=Reason.TURN))
    for reason, label in WAITS.items():
        number = now.count(RunStatus.WAITING, reason)
        if number or reason == Reason.FETCH:
            yield Tile(label, f"{number:,}{more}", _requests(found, reason), _runs(reason=reason))


def _requests(found: Overview, reason: str) -> str:
    if reason != Reason.FETCH:
        return ""
    queued = found.clusters.queued
    return f"{queued:,} wait to be sent" if queued else f"limit {found.clusters.limit:,}"


def _ended(found: Overview) -> Iterator[Tile]:
    series, total = found.charts.all, found.charts.all.total
    span = {"ended": found.span.key}
    last = f"in the last {found.span.label}"
    yield Tile(
        "completed",
        f"{total.completed:,}",
        last,
        _runs(status__exact="completed", **span),
        sparkline(series.completed, "completed"),
    )
    open_ones = f"{found.failures.runs:,}{'+' if found.failures.is_capped else ''}"
    yield Tile(
        "failed",
        f"{total.failed:,}",
        f"{last}; {open_ones} open in all",
        _runs(status__exact="failed", **span),
        sparkline(series.failed, "failed"),
    )
    rates = [bar.success_rate or 0.0 for bar in series.bars]
    yield Tile(
        "success rate",
        percent(total.success_rate),
        last,
        _runs(**span),
        sparkline(rates, "completed"),
    )


def _runs(**query: str) -> str:
    return f"{reverse('admin:jobs_run_changelist')}?{urlencode(query)}"
