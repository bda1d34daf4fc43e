"""Functions that are paused, with what was skipped, and functions that no cluster knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobs.models import Reason, RegisteredFunction, Run, RunStatus

MOST_SKIPPED = 1_000
MOST_UNKNOWN = 1_000
MOST_READ = 3_000


@dataclass(frozen=True, slots=True)
class Paused:
    fn_id: str
    since: datetime
    reason: str  # the operator's words; may be empty
    by: str  # the account's id; empty: the code's own
    stands_still: bool
    skipped: int  # runs that were not replayed, up to MOST_SKIPPED
    hook_of: str  # the function whose on_failure, on_cancel or on_retry it is; empty: none
    hook_moment: str  # "failure", "cancel", "retry" or empty

    @property
    def effect(self) -> str:
        """What the pause keeps from happening, in a sentence; empty of an ordinary function."""
        if not self.hook_of:
            return ""
        deed = {"failure": "fails", "cancel": "is cancelled", "retry": "is retried"}
        return f"Nothing is told when a run of {self.hook_of} {deed[self.hook_moment]}."


@dataclass(frozen=True, slots=True)
class Unknown:
    """A function that runs name and no cluster knows."""

    fn_id: str
    runs: int  # that wait for it, up to MOST_UNKNOWN of all such functions


def paused() -> list[Paused]:
    """Those paused for longest first. A query, and a look into an index for each of them."""
    functions = {row.fn_id: row for row in RegisteredFunction.objects.all()}
    found = [row for row in functions.values() if row.paused_at is not None]
    found.sort(key=lambda row: (row.paused_at, row.fn_id))
    return [_paused(row, functions) for row in found]


def unknown() -> list[Unknown]:
    """From the newest unfinished runs, as their reason says."""
    newest = Run.objects.filter(ended_at__isnull=True).order_by("-id")[:10_000]
    waiting = Run.objects.filter(id__in=newest.values("id"), reason=Reason.FUNCTION).order_by()
    counts: dict[str, int] = {}
    for fn_id in waiting.values_list("fn_id", flat=True)[:MOST_UNKNOWN]:
        counts[fn_id] = counts.get(fn_id, 0) + 1
    return [Unknown(fn_id, runs) for fn_id, runs in sorted(counts.items())]


def hook_of(fn_id: str, functions: dict[str, RegisteredFunction]) -> tuple[str, str]:
    """The function whose hook this one is, and its moment; empty texts if it is none."""
    for row in functions.values():
        config = row.config if isinstance(row.config, dict) else {}
        for moment in ("failure", "cancel", "retry"):
            if config.get(f"on_{moment}") == fn_id:
                return row.fn_id, moment
    return "", ""


def skipped(fn_id: str) -> int:
    """Its skipped runs that were not replayed, up to MOST_SKIPPED, of its newest MOST_READ runs."""
    newest = Run.objects.filter(fn_id=fn_id).order_by("-id").values("id")[:MOST_READ]
    runs = Run.objects.filter(id__in=newest, status=RunStatus.SKIPPED, reruns__isnull=True)
    return runs.order_by()[:MOST_SKIPPED].count()


def _paused(row: RegisteredFunction, functions: dict[str, RegisteredFunction]) -> Paused:
    assert row.paused_at is not None  # noqa: S101
    parent, moment = hook_of(row.fn_id, functions)
    return Paused(
        fn_id=row.fn_id,
        since=row.paused_at,
        reason=row.pause_reason,
        by=row.paused_by,
        stands_still=row.stands_still,
        skipped=skipped(row.fn_id),
        hook_of=parent,
        hook_moment=moment,
    )
