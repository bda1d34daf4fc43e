"""The hand-over as text, for mail or chat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from jobs.admin.logged_acts import Act
from jobs.lib.durations import in_words
from jobs.lib.excerpts import excerpt
from jobs.metrics.clusters import DIED, STALLED, ClusterFigures, Clusters
from jobs.metrics.failures import Group
from jobs.metrics.paused import Paused
from jobs.models import HandOverNote

MAX_PART = 300  # characters of one line's parts


@dataclass(frozen=True, slots=True)
class PausedBy:
    function: Paused
    by: str  # the account's name; empty: the code paused it


@dataclass(frozen=True, slots=True)
class HandOver:
    """What an account may see; None: nothing of that sort."""

    at: datetime
    note: HandOverNote | None
    failures: list[Group]
    failed: int
    paused: list[PausedBy] | None
    clusters: Clusters | None
    acts: list[Act] | None
    hours: int

    @property
    def unwell(self) -> list[ClusterFigures]:
        if self.clusters is None:
            return []
        return [each for each in self.clusters.clusters if each.health in (DIED, STALLED)]


def in_text(found: HandOver) -> str:
    return "\n".join([f"Hand-over, {day(found.at)}", *_parts(found), ""])


def _parts(found: HandOver) -> Iterator[str]:
    if found.note is not None:
        note = found.note
        yield from ("", f"Note by {note.by_name}, {day(note.at)}, until {day(note.until)}")
        yield note.text
    yield from ("", f"Open failures: {found.failed:,}", *map(_failure, found.failures))
    if found.paused is not None:
        yield from ("", f"Paused functions: {len(found.paused)}", *map(_paused, found.paused))
    if found.clusters is not None:
        yield from ("", *_clusters(found.clusters, found.unwell))
    if found.acts is not None:
        yield from ("", f"Acts of the last {found.hours} hours: {len(found.acts)}")
        yield from map(_act, found.acts)


def _failure(group: Group) -> str:
    is_one = group.runs == 1
    many = f"{group.runs:,} run{'' if is_one else 's'}"
    keys = f" of {group.keys:,} keys" if group.keys > 1 else ""
    what = excerpt(group.label, MAX_PART)
    return f"- {many}{keys}: {what}; first {day(group.first)}, last {day(group.last)}"


def _paused(one: PausedBy) -> str:
    function = one.function
    by = f" by {one.by}" if one.by else ""
    why = f": “{excerpt(function.reason, MAX_PART)}”" if function.reason else ", without a reason"
    skipped = f" {function.skipped:,} skipped." if function.skipped else ""
    effect = f" {function.effect}" if function.effect else ""
    return f"- {function.fn_id}, since {day(function.since)}{by}{why}.{skipped}{effect}"


def _clusters(there: Clusters, unwell: list[ClusterFigures]) -> Iterator[str]:
    yield f"Clusters alive: {len(there.alive)}"
    for cluster in unwell:
        silent = f", silent for {in_words(cluster.silent_seconds)}"
        yield f"- {cluster.name}: {cluster.health}{silent if cluster.health == DIED else ''}"
    if len(there.versions) > 1:
        yield f"- They run different code: {', '.join(there.versions)}"
    for name in there.unlike_secrets:
        yield f"- {name} is not the same on all of them"


def _act(act: Act) -> str:
    what = excerpt(" ".join(act.what.split()), MAX_PART)
    return f"- {day(act.at)}, {act.by}: {what} ({act.on})"


def day(moment: datetime) -> str:
    """“2026-11-28 02:12 UTC”."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"
