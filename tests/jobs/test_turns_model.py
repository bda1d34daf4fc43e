"""Law 6 against a model: whatever order things happen in, limits are kept and no turn is lost.

Hypothesis sends, claims, ends, fails, suspends, cancels, reruns and loses runs at will. The model
knows only which runs are unfinished, who holds a turn, and whose claims are alive.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from jobs import recovery
from jobs.api import Concurrency, Context, Event, NonRetriableError, cancel, rerun, send
from jobs.claims import Claim, claim
from jobs.executor import execute
from jobs.models import Run
from tests.functions import registered

LIMIT = 2
FATES = ["completed", "failed", "waiting"]


@dataclass
class Known:
    """A run as the model knows it."""

    user: str
    status: str = "queued"
    has_turn: bool = False
    claim: Claim | None = None

    @property
    def is_unfinished(self) -> bool:
        return self.status in ("queued", "running", "waiting")


class Turns(RuleBasedStateMachine):
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Known] = {}
        self.fates: dict[str, str] = {}
        self.example = transaction.atomic()
        self.example.__enter__()

    def teardown(self) -> None:
        try:
            self.nobody_waits_without_need()
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    def handler(self, ctx: Context) -> None:
        fate = self.fates.pop(ctx.run_id)
        if fate == "waiting":
            ctx.step.sleep("nap", 3600)
        if fate == "failed":
            raise NonRetriableError("as told")

    # --- what can happen --------------------------------------------------------------------------

    @rule(target=runs, users=st.lists(st.sampled_from("ab"), min_size=1, max_size=4))
    def send(self, users):
        send([Event(name="test/go", data={"user": user}) for user in users])
        made = [str(run.id) for run in Run.objects.order_by("-id")[: len(users)]][::-1]
        self.model |= {i: Known(user) for i, user in zip(made, users, strict=True)}
        return multiple(*made)

    @rule(limit=st.integers(1, 5))
    def claim(self, limit):
        for claimed in claim(limit):
            run = self.model[str(claimed.run_id)]
            assert run.status in ("queued", "waiting")
            run.status, run.has_turn, run.claim = "running", True, claimed

    @rule(run_id=runs, fate=st.sampled_from(FATES))
    def end(self, run_id, fate):
        run = self.model[run_id]
        if run.claim is not None:
            self.fates[run_id] = fate
            execute(run.claim)
            run.status, run.claim = fate, None
            if fate == "waiting":
                Run.objects.filter(id=run_id).update(due_at=Now())
            else:
                run.has_turn = False

    @rule(run_id=runs)
    def cancel(self, run_id):
        run = self.model[run_id]
        if run.is_unfinished:
            assert cancel(run_id) is True
            late, run.claim = run.claim, None
            run.status, run.has_turn = "cancelled", False
            self.is_too_late(run_id, late)

    @rule(run_id=runs)
    def rerun(self, run_id):
        run = self.model[run_id]
        if run.status in ("failed", "cancelled"):
            rerun(run_id)
            run.status, run.has_turn = "queued", False

    @rule(run_id=runs)
    def lose_its_worker(self, run_id):
        run = self.model[run_id]
        if run.claim is not None:
            Run.objects.filter(id=run_id).update(lease_until=Now() - timedelta(seconds=1))
            recovery.sweep()
            late, run.claim = run.claim, None
            run.status = "queued"
            self.is_too_late(run_id, late)

    @rule()
    def sweep(self):
        recovery.sweep()

    def is_too_late(self, run_id, late: Claim | None) -> None:
        if late is not None:
            before = Run.objects.values().get(id=run_id)
            self.fates[run_id] = "completed"
            execute(late)
            assert Run.objects.values().get(id=run_id) == before

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def limits_are_kept_and_every_run_is_what_the_model_says(self):
        held = Counter()
        for run in Run.objects.filter(fn_id="test-function"):
            known = self.model[str(run.id)]
            assert run.status == known.status
            if run.is_finished:
                continue
            assert run.turns_held == int(known.has_turn)
            held[known.user] += run.turns_held
        assert all(turns <= LIMIT for turns in held.values())

    def nobody_waits_without_need(self) -> None:
        """Without any sweep: whoever could go on has gone on, the first come first."""
        while Run.objects.due().exists():
            for c in claim(3):
                run = self.model[str(c.run_id)]
                run.status, run.has_turn = "running", True
        for user in "ab":
            line = [k for i, k in sorted(self.model.items()) if k.user == user and k.is_unfinished]
            assert sum(run.has_turn for run in line) == min(LIMIT, len(line))


@pytest.mark.django_db
def test_any_order_of_things_keeps_the_limits_and_loses_no_turn():
    machines: list[Turns] = []

    def made() -> Turns:
        machines.append(Turns())
        return machines[-1]

    per_user = [Concurrency(limit=LIMIT, key="event.data.user")]
    with registered(lambda ctx: machines[-1].handler(ctx), concurrency=per_user):
        run_state_machine_as_test(
            made,
            settings=settings(
                max_examples=10,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],  # to shrink would take minutes
                suppress_health_check=list(HealthCheck),
            ),
        )
