"""A hook's step and a rerun of its run at the same moment: what the hook has asked stays true until
its step has committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs.api import Context, rerun
from jobs.execution.executor import execute
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from jobs.runs.lease import give_back
from jobs.testing import drain
from tests.support.blocking import Uncommitted, others, wait_until_blocked
from tests.support.functions import go, registered, the_run
from tests.support.late_hooks import (
    FAILURE,
    RETRY,
    Patient,
    answer_of,
    patient_and_hooks,
    slow_hook,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def patient() -> Iterator[Patient]:
    with patient_and_hooks() as patient:
        yield patient


def meanwhile(during: Callable[[], None]) -> Callable[[Context], bool]:
    """A hook that asks, and is still in its step when something else happens."""

    def hook(ctx: Context) -> bool:
        def step() -> bool:
            answer = ctx.is_outdated
            during()
            return answer

        return ctx.step.run("ask", step)

    return hook


def test_a_rerun_waits_for_the_step_of_a_hook_that_has_asked():
    patient, order = Patient(), []
    with others() as start:

        def during() -> None:
            patient.does = "naps"
            running.append(start(lambda: (rerun(run.id), order.append("rerun"))))
            wait_until_blocked(1)
            order.append("hook")

        running: list[Any] = []
        with registered(patient, on_failure=meanwhile(during)):
            run = go()
            drain()
            running[0].result(10)
    assert order == ["hook", "rerun"]
    assert the_run(FAILURE).output is False


@pytest.mark.parametrize("from_start", [True, False], ids=["from the start", "from its step"])
def test_a_hook_waits_for_a_rerun_that_has_not_committed_and_is_outdated_then(
    patient: Patient, from_start: bool
):
    run = go()
    failure = slow_hook(FAILURE)
    patient.does = "naps"
    with others() as start:
        with Uncommitted(lambda: rerun(run.id, from_start=from_start)) as other:
            asked = start(lambda: answer_of(failure))
            wait_until_blocked(1)
            other.commit()
        assert asked.result(10) is True


def test_the_hook_of_the_next_end_waits_for_the_one_of_the_retry():
    """Neither locks a row of its own; what the last one writes is what stands."""
    patient, wrote = Patient(), []

    def failed(ctx: Context) -> None:
        ctx.step.run("tell", lambda: ctx.is_outdated or wrote.append("failed"))

    with others() as start:

        def during() -> None:
            drained = start(lambda: [execute(claimed) for claimed in claim_due(10)])
            drained.result(10)  # the run fails
            running.append(start(lambda: [execute(claimed) for claimed in claim_due(10)]))
            wait_until_blocked(1)
            wrote.append("retried")

        running: list[Any] = []
        with registered(patient, on_failure=failed, on_retry=meanwhile(during)):
            run = go()
            drain()
            wrote.clear()
            rerun(run.id)
            claims = {claimed.fn_id: claimed for claimed in claim_due(10)}
            execute_later(claims.pop("test-function"))
            execute(claims[RETRY])
            running[0].result(10)
    assert wrote == ["retried", "failed"]


def test_the_hook_of_a_retry_keeps_no_transaction_from_its_run():
    """A pusher, and a run that passes its turn on, look among the rows that are free."""
    patient, claimed = Patient(), []
    with others() as start:

        def during() -> None:
            claimed.extend(start(lambda: claim_due(10)).result(10))

        with registered(patient, on_retry=meanwhile(during)):
            run = go()
            drain()
            rerun(run.id)
            claims = {claimed.fn_id: claimed for claimed in claim_due(10)}
            execute_later(claims.pop("test-function"))
            execute(claims[RETRY])
    assert [c.run_id for c in claimed] == [run.id]


def execute_later(claimed: Claim) -> None:
    """It is due again, for the next claim."""
    assert give_back(claimed.run_id, claimed.token)
