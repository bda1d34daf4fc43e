"""The way of a cluster that dies at a commit (jobs.testing.crashes), minute after minute, and what
is to be true when another took over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from jobs.models import Attempt, Event, Fetch, LogLine, Run, Step
from jobs.testing import travel
from jobs.testing.crashes import Boundary, Killed
from jobs.testing.crashes import CrashingCluster as Cluster
from jobs.testing.stories import story

__all__ = [
    "Boundary",
    "Cluster",
    "Killed",
    "a_minute_later",
    "deaths",
    "forget_everything",
    "remembered_steps",
    "story",
    "to_the_end",
]

A_MINUTE = timedelta(minutes=1)  # longer than a lease
MAX_MINUTES = 60


# --- the whole way --------------------------------------------------------------------------------


def to_the_end(cluster: Cluster) -> bool:
    """Minute after minute until no run is unfinished; False if the cluster died on the way."""
    for _ in range(MAX_MINUTES):
        if not cluster.work():
            return False
        if not Run.objects.unfinished().exists():
            return True
        travel(A_MINUTE)
    stuck = list(
        Run.objects.unfinished().values("fn_id", "status", "reason", "due_at", "turns_held")
    )
    raise AssertionError(f"Stuck for {MAX_MINUTES} minutes: {stuck}")


def a_minute_later(cluster: Cluster) -> bool:
    """The dead one's leases have lapsed: this one goes on."""
    travel(A_MINUTE)
    return to_the_end(cluster)


def deaths(
    begin: Callable[[], None], boundaries: Iterable[Boundary], *, one_by_one: bool = False
) -> Iterator[Cluster]:
    """A cluster for each boundary, just dead there; the world as it left it. A law that is broken
    then says where that was."""
    for boundary in boundaries:
        begin()
        cluster = Cluster(boundary, one_by_one=one_by_one)
        if not to_the_end(cluster):
            with told(f"died {boundary}"):
                yield cluster


def remembered_steps() -> set[tuple[str, str]]:
    """(run, step) of what is never to run again."""
    over = Step.objects.filter(status__in=["completed", "failed"])
    return {(str(run_id), name) for run_id, name in over.values_list("run_id", "name")}


@contextmanager
def told(what: str) -> Iterator[None]:
    """A law that is broken says at which death it was."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise


def forget_everything() -> None:
    for model in (LogLine, Attempt, Fetch, Step, Run, Event):
        model.objects.all().delete()
