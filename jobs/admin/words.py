"""A run's columns in words."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef

from jobs.admin.in_flight import InFlight
from jobs.models import Reason, RegisteredFunction, Run, RunStatus

OVERDUE = timedelta(seconds=30)
LONG = timedelta(minutes=2)  # longer ranges are told in minutes
MAX_COUNTED = 1_000  # invoked runs
# `runs.annotate(stands_still=STANDS_STILL)`: the run's function stands still.
STANDS_STILL = Exists(RegisteredFunction.objects.filter(fn_id=OuterRef("fn_id"), stands_still=True))
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def span(duration: timedelta | None) -> str:
    """“430 ms”, “21.9 s”, “3 min 4 s”."""
    if duration is None:
        return ""
    seconds = max(duration.total_seconds(), 0.0)
    if seconds < 0.0005:
        return "0 ms" if seconds == 0 else "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    index = next(i for i, (_, size) in enumerate(UNITS) if whole >= size)
    (unit, size), (smaller, part) = UNITS[index], UNITS[index + 1]
    rest = whole % size // part
    return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")


def roughly(duration: timedelta) -> str:
    """In whole seconds: “12 s”; tenths would flicker."""
    whole = timedelta(seconds=round(duration.total_seconds()))
    return span(whole).replace(".0 s", " s") if whole else span(duration)


def percent(share: float | None) -> str:
    """“98.5 %”, “100 %”; a dash for none."""
    if share is None:
        return "–"
    return f"{share * 100:.1f} %".replace(".0 %", " %")


def figure(number: int | str | None) -> str:
    """“1,703”, “−5”; a dash for none. A text stays as it is."""
    if number is None or number == "":
        return "–"
    return number if isinstance(number, str) else f"{number:,}".replace("-", "−")


def after(later: datetime, earlier: datetime) -> str:
    return span(later - earlier)


def between(least: timedelta, most: timedelta) -> str:
    """“30–70 s”, “120–340 ms”, “1 min 50 s – 3 min 4 s”."""
    low, high = roughly(least), roughly(most)
    if low == high:
        return low
    if most >= LONG:
        return f"{low} – {high}"
    if most < timedelta(seconds=1):
        return f"{least.total_seconds() * 1000:.0f}–{most.total_seconds() * 1000:.0f} ms"
    digits = 0 if most >= timedelta(seconds=10) else 1
    return f"{least.total_seconds():.{digits}f}–{most.total_seconds():.{digits}f} s"


def flight_in_words(flight: InFlight, now: datetime, before_span: str = ",") -> str:
    """“HTTP in flight, 42 s, usually 30–70 s”."""
    if flight.since is None:
        return "HTTP request waits to be sent"
    usual = f", usually {between(*flight.usual)}" if flight.usual else ""
    age = max(now - flight.since, timedelta())  # in the unit of the range
    since = f"{age.total_seconds():.0f} s" if age < LONG else roughly(age)
    return f"HTTP in flight{before_span} {since}{usual}"


def situation(
    run: Run, now: datetime, retries: int | None = None, flight: InFlight | None = None
) -> str:
    """Why a run is where it is; empty if the status says it all."""
    if run.status not in (RunStatus.QUEUED, RunStatus.WAITING):
        return ""
    if run.reason == Reason.BACKOFF:
        of = f"/{retries}" if retries is not None else ""
        return f"backing off before retry {run.attempt}{of}, {due(run, now)}"
    if run.reason == Reason.SLEEP:
        return f"sleeping, {due(run, now)}"
    if run.reason == Reason.FETCH and flight:
        return flight_in_words(flight, now)
    return reason_in_words(run) or due(run, now)


def reason_in_words(run: Run) -> str:
    """Empty without a reason. A run in a line waits for no turn while its function stands still
    (STANDS_STILL)."""
    if not run.reason:
        return ""
    if run.reason == Reason.TURN and getattr(run, "stands_still", False):
        return Reason.PAUSED.label
    return Reason(run.reason).label if run.reason in Reason.values else run.reason


def due(run: Run, now: datetime) -> str:
    """“in 12 s”, “due”, “due for 5 min”."""
    if run.due_at is None:
        return "not due"
    away = run.due_at - now
    if away > timedelta():
        return f"in {roughly(away)}"
    return f"due for {roughly(-away)}" if -away > OVERDUE else "due"


def counted(below: Collection[UUID]) -> str:
    if not below:
        return ""
    if len(below) > MAX_COUNTED:
        return f"more than {MAX_COUNTED:,} unfinished runs"
    return f"{len(below):,} unfinished run{'' if len(below) == 1 else 's'}"


def is_stalled(run: Run, now: datetime) -> bool:
    return run.lease_until is not None and run.lease_until < now
