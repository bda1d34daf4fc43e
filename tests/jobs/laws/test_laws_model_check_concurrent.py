"""Laws 4 to 6 with real connections: whatever is done at the same moment, the tables stay right.

Hypothesis says what a handful of threads do at once: work, hang on to what they claimed, cancel,
rerun, wake, sweep, come back late. Who is first is PostgreSQL's choice, so there is no telling what
the tables will say; whenever all have come to rest, it has to be a state that the laws allow.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jobs.api import (
    Concurrency,
    Context,
    Event,
    InvalidTransition,
    NonRetriableError,
    cancel,
    rerun,
    send,
)
from jobs.execution.executor import execute
from jobs.maintenance import sweeper
from jobs.models import Attempt, Run, Step
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from songs.models import Category
from tests.support.commit_boundaries import forget_everything
from tests.support.functions import at_once, registered

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = [1, 3]  # of a user, of all
LINES = [Concurrency(limit=LIMITS[0], key="event.data.user"), Concurrency(limit=LIMITS[1])]
RARE = ["send", "come back", "cancel", "rerun", "wake", "sweep"]
DEEDS = [*["work", "hang on"] * 3, *RARE]
ROUNDS = 200


class Town:
    """The runs, and what a thread may do to them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: list[Claim] = []  # by those who hang on to them
        self.cancelled: list[str] = []
        self.sent = 0

    def handler(self, ctx: Context) -> None:
        number = ctx.event.data["number"]
        ctx.step.run("book", book, ctx.run_id)
        if number % 3 == 0:
            ctx.step.sleep("nap", 3600)
        if number % 4 == 1:
            ctx.step.run("alone", int, atomic=False)
        if number % 5 == 2:
            raise NonRetriableError("as told")

    def on_cancel(self, ctx: Context) -> None:
        pass

    def deed(self, what: str, number: int) -> Callable[[], Any]:
        return lambda: getattr(self, what.replace(" ", "_"))(number)

    def send(self, number: int) -> None:
        data = [{"user": f"user {n % 2}", "number": number + n} for n in range(6)]
        send([Event(name="test/go", data=each) for each in data])

    def work(self, number: int) -> None:
        for claimed in claim_due(1 + number % 3):
            execute(claimed)

    def hang_on(self, number: int) -> None:
        claims = claim_due(1 + number % 2)
        with self.lock:
            self.held += claims

    def come_back(self, number: int) -> None:
        """Late, and perhaps once more later on; but a claim is in one worker's hands."""
        with self.lock:
            held = self.held[number % 3 :: 3]
            self.held = [claimed for claimed in self.held if claimed not in held]
        for claimed in held:
            execute(claimed)
        with self.lock:
            self.held += held

    def cancel(self, number: int) -> None:
        run_id = self.some_run(number)
        with contextlib.suppress(InvalidTransition):
            if run_id and cancel(run_id):
                with self.lock:
                    self.cancelled.append(run_id)

    def rerun(self, number: int) -> None:
        run_id = self.some_run(number)
        with contextlib.suppress(InvalidTransition):
            if run_id:
                rerun(run_id)

    def wake(self, number: int) -> None:
        """The hour of the sleepers is over."""
        Step.objects.filter(status="waiting", due_at__gt=Now()).update(due_at=Now())
        Run.objects.filter(status="waiting", due_at__gt=Now()).update(due_at=Now())

    def sweep(self, number: int) -> None:
        """Every second lease lapses, its worker alive or not."""
        leased = Run.objects.filter(lease_token__isnull=False).order_by("id")
        ids = list(leased.values_list("id", flat=True))[number % 2 :: 2]
        leased.filter(id__in=ids).update(lease_until=Now() - timedelta(seconds=1))
        sweeper.sweep()

    def some_run(self, number: int) -> str | None:
        ids = Run.objects.filter(fn_id="test-function").order_by("-id").values_list("id", flat=True)
        return str(ids[number % len(ids)]) if ids else None


def book(run_id: str) -> None:
    Category.objects.create(name="booked", folded=run_id)  # the same again would be refused


# --- what must hold -------------------------------------------------------------------------------


def the_tables_are_right(town: Town) -> None:
    runs = list(Run.objects.filter(fn_id="test-function").order_by("id"))
    for run in runs:
        assert (run.lease_token is not None) == (run.status == "running")
        assert run.reason != "turn" or (run.status, run.due_at) == ("queued", None)
        if run.status in ("running", "waiting"):
            assert run.turns_held == len(LIMITS)
    for line, limit in enumerate(LIMITS):
        for key in {run.turn_keys[line] for run in runs}:
            none_waits_without_need([r for r in runs if r.turn_keys[line] == key], line, limit)
    errors = Attempt.objects.filter(run__in=runs, status="error")
    lost = errors.filter(error_class="jobs.errors.WorkerLost")
    assert not lost.filter(run__lost_count=0).exists()  # the first loss costs no attempt
    said = errors.exclude(id__in=lost.values("id")).values_list("error_message", flat=True)
    assert set(said) <= {"as told"}
    hooks = Run.objects.filter(fn_id="test-function-cancel")
    told = Counter(hooks.values_list("event__data__run_id", flat=True))
    assert told == Counter(town.cancelled)


def none_waits_without_need(runs: list[Run], line: int, limit: int) -> None:
    held = sum(not run.is_finished and run.turns_held > line for run in runs)
    assert held <= limit
    standing = [run for run in runs if run.status == "queued" and run.turns_held == line]
    for ahead, run in enumerate(standing):
        assert run.reason != "turn" or held + ahead >= limit


def everything_ends(town: Town) -> None:
    """Without mending; each has booked once, however often it was begun."""
    for _ in range(ROUNDS):
        if not Run.objects.unfinished().exists():
            break
        Run.objects.filter(lease_token__isnull=False).update(lease_until=Now())
        sweeper.sweep()
        town.wake(0)
        town.work(3)
    assert list(Run.objects.unfinished().annotate(now=Now()).values()) == []
    booked = set(Category.objects.values_list("folded", flat=True))
    done = Run.objects.filter(fn_id="test-function", status="completed")
    assert {str(run_id) for run_id in done.values_list("id", flat=True)} <= booked


@contextlib.contextmanager
def a_town() -> Iterator[Town]:
    town = Town()
    forget_everything()
    Category.objects.all().delete()
    options: Any = {"concurrency": LINES, "on_cancel": town.on_cancel, "retries": 20}
    with registered(town.handler, **options):
        town.send(0)
        yield town


deeds = st.tuples(st.sampled_from(DEEDS), st.integers(0, 11))
at_a_time = st.lists(deeds, min_size=3, max_size=5)


@settings(
    max_examples=20,
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a race does not shrink
    suppress_health_check=list(HealthCheck),
)
@given(days=st.lists(at_a_time, min_size=4, max_size=7))
def test_whatever_is_done_at_once_the_tables_stay_right(days):
    with a_town() as town:
        for day in days:
            outcomes = at_once(*(town.deed(what, number) for what, number in day))
            assert outcomes == [None] * len(day), day
            the_tables_are_right(town)
        everything_ends(town)
        the_tables_are_right(town)
