"""What needs an operator: each obstacle to work, worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jobs.lib.durations import in_words
from jobs.lib.excerpts import excerpt
from jobs.metrics.clusters import STALLED, STOPPED, Clusters
from jobs.metrics.conditions import Place, Unreadable
from jobs.metrics.failures import Failures
from jobs.metrics.paused import Paused, Unknown
from jobs.metrics.unfinished import Unfinished

LATE_AFTER = 30.0  # seconds until a due run or an unsent request is reported
RECENT_FOR = 900.0  # seconds since a kind last failed: bad; older: a look
DEATH_SHOWN_FOR = 3600.0  # seconds for which a cluster's death is shown
MAX_SHOWN = 3  # kinds of failures shown


CODES = (
    *("no-cluster", "stalled", "late", "died", "versions", "secrets", "failures"),
    *("other-failures", "requests", "paused", "unknown", "conditions"),
)


class Level(StrEnum):
    """`bad` keeps work from being done, `warn` wants a look."""

    BAD = "bad"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Need:
    """A line of “What needs you”: `strong` in bold, then `rest`. For the link, `code` names the
    line and `about` its thing (a function's id, a failure's kind, a cluster's key, a host, a
    setting)."""

    level: Level
    code: str  # one of CODES
    strong: str
    rest: str = ""
    about: str = ""

    def __str__(self) -> str:
        return f"{self.strong} {self.rest}".strip()


def needs(
    now: Unfinished,
    there: Clusters,
    failing: Failures,
    stopped: list[Paused],
    strangers: list[Unknown],
    odd: list[Unreadable],
) -> list[Need]:
    found = [
        *_of_clusters(there, now),
        *_of_failures(failing, now.at),
        *_of_requests(there),
        *_of_functions(stopped, strangers, now.at),
        *_of_conditions(odd, now.at),
    ]
    return sorted(found, key=lambda need: need.level == Level.WARN)


def _of_clusters(there: Clusters, now: Unfinished) -> Iterator[Need]:
    if not there.alive:
        yield Need(
            Level.BAD, "no-cluster", _no_cluster(there), counted(now.queued, "is", "queued.")
        )
        return
    stalled = [cluster for cluster in there.alive if cluster.health == STALLED]
    for cluster in stalled:
        level = Level.BAD if len(stalled) == len(there.alive) else Level.WARN
        strong = f"{cluster.name} does not look for due runs."
        yield Need(level, "stalled", strong, cluster.problem, cluster.key)
    if now.oldest_due_seconds > LATE_AFTER:
        age = in_words(now.oldest_due_seconds)
        yield Need(Level.BAD, "late", f"The oldest due run waits {age}.", _busy(there))
    for cluster in there.died:
        if cluster.silent_seconds < DEATH_SHOWN_FOR:
            strong = f"{cluster.name} died."
            rest = f"It is silent for {in_words(cluster.silent_seconds)}, without a good-bye."
            yield Need(Level.WARN, "died", strong, rest, cluster.key)
    if len(there.versions) > 1:
        yield Need(
            Level.WARN, "versions", "Clusters run different code:", ", ".join(there.versions)
        )
    for name in there.unlike_secrets:
        yield Need(Level.WARN, "secrets", f"{name} is not the same on all clusters.", "", name)


def _no_cluster(there: Clusters) -> str:
    if not there.clusters:
        return "No cluster has ever been heard of."
    last = there.clusters[0]
    how = "stopped in good order" if last.health == STOPPED else "died"
    return f"No cluster is alive: the last one {how} {in_words(last.silent_seconds)} ago."


def _busy(there: Clusters) -> str:
    return f"{there.busy} of {there.workers} workers are busy."


def _of_requests(there: Clusters) -> Iterator[Need]:
    for host in there.hosts:
        if host.oldest_queued > LATE_AFTER:
            is_one = host.queued == 1
            many = f"{host.queued:,} request{'' if is_one else 's'}"
            strong = f"{many} to {host.host} wait{'s' if is_one else ''} to be sent,"
            rest = (
                f"the oldest for {in_words(host.oldest_queued)}; {host.in_flight:,} are in flight."
            )
            yield Need(Level.WARN, "requests", strong, rest, host.host)


def _of_failures(failing: Failures, now: datetime) -> Iterator[Need]:
    for group in failing.groups[:MAX_SHOWN]:
        first, last = ((now - at).total_seconds() for at in (group.first, group.last))
        level = Level.BAD if last < RECENT_FOR else Level.WARN
        keys = f", {group.keys} keys" if group.keys > 1 else ""
        when = f"First {in_words(first)} ago, last {in_words(last)} ago{keys}."
        strong = f"{counted(group.runs, '', 'failed')}:"
        yield Need(level, "failures", strong, f"{group.label}. {when}", group.kind)
    if more := failing.groups[MAX_SHOWN:]:
        strong = counted(sum(group.runs for group in more), "", "failed")
        yield Need(Level.WARN, "other-failures", strong, f"in {len(more)} other ways.")


def _of_conditions(odd: list[Unreadable], now: datetime) -> Iterator[Need]:
    for one in odd[:MAX_SHOWN]:
        what = "A concurrency key" if one.place == Place.KEY else "A condition"
        last = in_words((now - one.last).total_seconds())
        often = "once" if one.count == 1 else f"{one.count:,} times at least, last"
        rest = f"“{excerpt(one.expression, 120)}” ({Place(one.place).label}), {often} {last} ago."
        strong = f"{what} of {one.fn_id} cannot be evaluated:"
        yield Need(Level.WARN, "conditions", strong, rest, one.fn_id)
    if len(odd) > MAX_SHOWN:
        more = f"{len(odd) - MAX_SHOWN} more conditions cannot be evaluated."
        yield Need(Level.WARN, "conditions", more)


def _of_functions(stopped: list[Paused], strangers: list[Unknown], now: datetime) -> Iterator[Need]:
    for one in stopped:
        since = in_words((now - one.since).total_seconds())
        skipped = f" {one.skipped:,} skipped." if one.skipped else ""
        why = f" “{one.reason}”" if one.reason else ""
        rest = f"for {since}.{why}{skipped} {one.effect}".strip()
        yield Need(Level.WARN, "paused", f"{one.fn_id} has been paused", rest, one.fn_id)
    for other in strangers:
        strong = f"No cluster knows {other.fn_id}."
        rest = counted(other.runs, "waits" if other.runs == 1 else "wait", "for it.")
        yield Need(Level.WARN, "unknown", strong, rest, other.fn_id)


def counted(number: int, verb: str, rest: str) -> str:
    """“1 run is queued”, “12 runs are queued”; empty for none."""
    if not number:
        return ""
    verb = "are" if verb == "is" and number != 1 else verb
    return " ".join(filter(None, (f"{number:,} run{'' if number == 1 else 's'}", verb, rest)))
