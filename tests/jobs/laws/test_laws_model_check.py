"""Laws 4 to 6 against a model: whatever order things happen in, lines, leases and ends keep to it.

Hypothesis sends, claims, ends, fails, suspends, wakes, cancels, reruns, pauses, loses and reports
runs at will, and lets workers that have lost theirs come back. The model is a list of runs in plain
Python that says who is claimed next, who is parked, and who is woken; the tables must agree with it
after each step.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from itertools import count

import pytest
from django.db.models.functions import Now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs.api import (
    Concurrency,
    Context,
    Event,
    InvalidTransition,
    NonRetriableError,
    TriggerEvent,
    cancel,
    pause,
    rerun,
    resume,
    send,
)
from jobs.execution.executor import execute
from jobs.maintenance import lost_workers, sweeper, turn_repair
from jobs.models import RegisteredFunction, Run
from jobs.runs import shares
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from jobs.runs.lease import give_back, replace_token
from tests.jobs.laws.model import Known, Model
from tests.support.commit_boundaries import forget_everything
from tests.support.functions import registered

pytestmark = pytest.mark.django_db(transaction=True)

FATES = ["completed", "failed", "asleep", "backing off"]
FUNCTIONS = ["one line", "two lines"]
ENDLESS = 100


def next_batch(limit: int) -> list[str]:
    """As many due runs of each class, the oldest first, from the class on that comes next."""
    classes: dict[str, list[str]] = {}
    for run in Run.objects.due().filter(lease_token=None).order_by("due_at", "id"):
        name = f"{int(run.due_at > run.created_at)}{run.fn_id}"
        classes.setdefault(name, []).append(str(run.id))
    order = sorted(classes, key=lambda name: (name <= shares.cursor.after, name))[:limit]
    return [run_id for name in order for run_id in classes[name][: limit // len(order)]]


class Engine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.numbers = count()
        self.late: list[Claim] = []
        self.fates: dict[str, str] = {}

    @initialize(one=st.integers(1, 3), each=st.integers(1, 2), all_=st.integers(1, 3))
    def functions(self, one, each, all_):
        """“one line” has a limit for each user; “two lines” one for each user and one for all."""
        self.model = Model({"one line": [one], "two lines": [each, all_]})
        user = "event.data.user"
        self.registered = ExitStack()
        for fn_id, concurrency in (
            ("one line", [Concurrency(limit=one, key=user)]),
            ("two lines", [Concurrency(limit=each, key=user), Concurrency(limit=all_)]),
        ):
            options = {"fn_id": fn_id, "concurrency": concurrency, "retries": 20, "backoff": [60]}
            trigger = TriggerEvent(event=f"test/{fn_id}")
            self.registered.enter_context(registered(self.handler, trigger=trigger, **options))

    def teardown(self):
        try:
            self.everything_ends()
        finally:
            self.registered.close()
            forget_everything()
            RegisteredFunction.objects.all().delete()

    def handler(self, ctx: Context) -> None:
        fate = self.fates[ctx.run_id]
        ctx.step.run(f"commits {next(self.numbers)}", int, atomic=False)
        ctx.step.run(f"goes on {next(self.numbers)}", int)
        if fate == "asleep":
            ctx.step.sleep(f"nap {next(self.numbers)}", 3600)
        if fate == "backing off":
            raise ValueError("as told")
        if fate == "failed":
            raise NonRetriableError("as told")

    # --- what can happen --------------------------------------------------------------------------

    @rule(
        fn_id=st.sampled_from(FUNCTIONS),
        users=st.lists(st.sampled_from("ab"), min_size=1, max_size=4),
    )
    def send(self, fn_id, users):
        send([Event(name=f"test/{fn_id}", data={"user": user}) for user in users])
        made = list(Run.objects.order_by("-id")[: len(users)])[::-1]
        ahead: Counter[str] = Counter()
        for run in made:
            known = Known(str(run.id), fn_id, run.turn_keys)
            if fn_id in self.model.paused:
                known.status, known.is_due = "skipped", False
            elif known.keys:
                ahead[known.keys[0]] += 1
                known.is_parked = ahead[known.keys[0]] > self.model.limits[fn_id][0]
                known.is_due = not known.is_parked
            self.model.runs[known.id] = known

    @rule(limit=st.integers(1, 4))
    def claim(self, limit):
        expected = self.model.claim(next_batch(limit))
        claims = claim_due(limit, "worker")
        assert {str(c.run_id) for c in claims} == expected
        for c in claims:
            run = self.model.runs[str(c.run_id)]
            run.status, run.claim = "running", c

    @precondition(lambda self: self.at_work())
    @rule(data=st.data(), fate=st.sampled_from(FATES))
    def execute(self, data, fate):
        self.advance(data.draw(st.sampled_from(self.at_work())), fate)

    def at_work(self) -> list[Known]:
        return [run for run in self.model.unfinished() if run.claim is not None]

    def advance(self, run: Known, fate: str) -> None:
        late, stops = self.let_go(run), run.stop
        self.fates[run.id] = fate
        execute(late)
        if stops:
            run.comes_back("queued", due=True)
        elif fate in ("completed", "failed"):
            self.model.end(run, fate)
        else:
            run.comes_back("waiting", due=False)

    @rule()
    def time_passes(self):
        """A run that sleeps, backs off or was set aside is due."""
        Run.objects.filter(due_at__gt=Now()).update(due_at=Now())
        for run in self.model.unfinished():
            run.is_due |= run.claim is None and not run.is_parked

    @precondition(lambda self: self.model.unfinished())
    @rule(data=st.data())
    def cancel(self, data):
        run = data.draw(st.sampled_from(self.model.unfinished()))
        self.let_go(run)
        assert cancel(run.id) is True
        self.model.end(run, "cancelled")

    @precondition(lambda self: self.ended())
    @rule(data=st.data())
    def rerun(self, data):
        run = data.draw(st.sampled_from(self.ended()))
        assert rerun(run.id) == run.id
        run.status, run.is_due, run.turns = "queued", True, 0

    def ended(self) -> list[Known]:
        return [run for run in self.model.runs.values() if run.status in ("failed", "cancelled")]

    @rule()
    def what_is_over_is_not_cancelled_nor_what_goes_on_rerun(self):
        for run in self.model.runs.values():
            if run.status == "cancelled":
                assert cancel(run.id) is False
            elif not run.is_unfinished:
                with pytest.raises(InvalidTransition):
                    cancel(run.id)
            if run.status not in ("failed", "cancelled"):
                with pytest.raises(InvalidTransition):
                    rerun(run.id)

    @rule(fn_id=st.sampled_from(FUNCTIONS), stop_running=st.booleans())
    def pause(self, fn_id, stop_running):
        assert pause(fn_id, stop_running=stop_running) is (fn_id not in self.model.paused)
        self.model.paused[fn_id] = stop_running
        for run in self.of(fn_id):
            run.stop = stop_running and (run.stop or run.status == "running")
            self.goes_on(run, stands_still=stop_running)

    @rule(fn_id=st.sampled_from(FUNCTIONS))
    def resume(self, fn_id):
        assert resume(fn_id) is (fn_id in self.model.paused)
        self.model.paused.pop(fn_id, None)
        for run in self.of(fn_id):
            run.stop = False
            self.goes_on(run, stands_still=False)

    def of(self, fn_id: str) -> list[Known]:
        return [run for run in self.model.unfinished() if run.fn_id == fn_id]

    def goes_on(self, run: Known, *, stands_still: bool) -> None:
        if run.is_aside and not stands_still:
            run.is_aside, run.is_due = False, True

    # --- who dies, and who comes back -------------------------------------------------------------

    @precondition(lambda self: self.at_work())
    @rule(data=st.data())
    def lose_a_cluster(self, data):
        run = data.draw(st.sampled_from(self.at_work()))
        Run.objects.filter(id=run.id).update(lease_until=Now() - timedelta(seconds=1))
        assert sweeper.sweep() == 1
        self.let_go(run)
        run.comes_back("queued", due=True)

    @precondition(lambda self: self.at_work())
    @rule(data=st.data())
    def lose_a_worker(self, data):
        run = data.draw(st.sampled_from(self.at_work()))
        late = self.let_go(run)
        assert lost_workers.record_lost_worker(late.run_id, late.token, 4711, "")
        run.comes_back("waiting", due=False)

    @precondition(lambda self: self.at_work())
    @rule(data=st.data())
    def give_back(self, data):
        run = data.draw(st.sampled_from(self.at_work()))
        late = self.let_go(run)
        assert give_back(late.run_id, late.token)
        run.comes_back("queued", due=True)

    def let_go(self, run: Known) -> Claim:
        """Its claim, which is of no use from now on."""
        late, run.claim = run.claim, None
        if late is not None:
            self.late.append(late)
        return late

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def a_stale_token_opens_nothing(self, data):
        late = data.draw(st.sampled_from(self.late))
        before = list(Run.objects.order_by("id").values())
        self.fates[str(late.run_id)] = "completed"
        execute(late)
        assert not replace_token(late.run_id, late.token)
        assert not give_back(late.run_id, late.token)
        assert not lost_workers.record_lost_worker(late.run_id, late.token, 4711, "")
        assert list(Run.objects.order_by("id").values()) == before

    @rule()
    def sweeps_find_nothing(self):
        assert sweeper.sweep() == 0
        assert turn_repair.repair_turns() == 0

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def the_tables_say_what_the_model_says(self):
        due = {str(run_id) for run_id in Run.objects.due().values_list("id", flat=True)}
        for run in Run.objects.all():
            known = self.model.runs[str(run.id)]
            assert run.status == known.status
            assert (str(run.id) in due) == known.is_due
            assert run.lease_token == (known.claim and known.claim.token)
            if known.is_unfinished:
                assert run.turns_held == known.turns
                assert (run.reason == "turn") == known.is_parked
                assert (run.reason == "paused") == known.is_aside

    @invariant()
    def limits_are_kept_and_none_waits_without_need(self):
        for run in self.model.unfinished():
            limits = self.model.limits[run.fn_id]
            held = [
                sum(other.holds(line, key) for other in self.model.runs.values())
                for line, key in enumerate(run.keys)
            ]
            assert all(turns <= limit for turns, limit in zip(held, limits, strict=True))
            if run.is_parked and not any(other.is_aside for other in self.of(run.fn_id)):
                ahead = self.model.before(run, run.turns)
                assert held[run.turns] + len(ahead) >= limits[run.turns]

    def everything_ends(self) -> None:
        """Without a sweep, and without mending."""
        for fn_id in FUNCTIONS:
            self.resume(fn_id=fn_id)
        for _ in range(ENDLESS):
            for run in self.at_work():
                self.advance(run, "completed")
            if not self.model.unfinished():
                return
            self.time_passes()
            self.claim(limit=4)
            self.limits_are_kept_and_none_waits_without_need()
        raise AssertionError(f"These never end: {self.model.unfinished()}")


def test_any_order_of_things_is_what_the_model_says():
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
