"""A fuzzer at the door of real clusters: what is accepted is run as it was sent, and stops no
neighbour. Nothing is killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from jobs.api import Event, JobsError, send
from jobs.models import Event as EventRow
from jobs.models import Run, RunStatus
from tests.chaos.draw import drawn
from tests.support import fuzz

FUNCTIONS = {
    "fuzz-keeps": RunStatus.COMPLETED,
    "fuzz-fails": RunStatus.FAILED,
    "fuzz-fails-failure": RunStatus.COMPLETED,
}
NAMES = fuzz.NAMES.map(lambda name: f"fuzz/{name}" if isinstance(name, str) else name)


def fuzzed_runs() -> Any:
    return Run.objects.filter(fn_id__in=FUNCTIONS)


class Door:
    """Events from the seed; `accepted` are the ids of those that were taken."""

    def __init__(self, number: int, count: int) -> None:
        self.accepted: set[str] = set()
        self.refused = 0
        self.problems: list[str] = []
        self._events: list[Event] = drawn(fuzz.events(NAMES), number, count)

    def knock(self, patiently: Callable[[Any], Any], count: int) -> bool:
        """Send the next few, each by itself; False when there are none left."""
        batch, self._events = self._events[:count], self._events[count:]
        for event in batch:
            now = replace(event, ts=0) if isinstance(event.ts, int) else event
            try:
                self.accepted.update(patiently(lambda now=now: send(now)))
            except JobsError:
                self.refused += 1
            except Exception as error:
                self.problems.append(f"send() raised {type(error).__name__}: {error!s:.200}")
        return bool(self._events)

    @property
    def unfinished(self) -> int:
        return fuzzed_runs().unfinished().filter(event_id__in=self.accepted).count()

    def broken(self) -> Iterator[str]:
        """Each thing that was accepted and has not been run as it was sent."""
        yield from self.problems
        for fn_id in ("fuzz-keeps", "fuzz-fails"):
            met = fuzzed_runs().filter(fn_id=fn_id, event_id__in=self.accepted).count()
            if met != len(self.accepted):
                yield f"{fn_id}: {met} runs for {len(self.accepted)} accepted events"
        for run in fuzzed_runs().select_related("event"):
            if run.status != FUNCTIONS[run.fn_id]:
                yield f"{run} is {run.status} ({run.reason or 'no reason'}): {run.error}"
            elif run.status == RunStatus.COMPLETED and run.output != given_to(run):
                yield f"{run} has met other data than were sent"
            elif run.status == RunStatus.FAILED and run.attempts.count() != 1:
                yield f"{run}: {run.attempts.count()} attempts"


def given_to(run: Run) -> Any:
    """The data that were sent, also of a failure's own event."""
    data = run.event.data
    if run.fn_id != "fuzz-fails-failure":
        return data
    return EventRow.objects.get(id=Run.objects.get(id=data["run_id"]).event_id).data
