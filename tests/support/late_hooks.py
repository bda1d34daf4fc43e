"""A run that fails, naps or ends well as it is told, and its hooks, taken by a slow worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs.api import Context, NonRetriableError
from jobs.execution.executor import execute
from jobs.models import Run
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from tests.support.functions import registered

FAILURE, CANCEL, RETRY = (f"test-function-{moment}" for moment in ("failure", "cancel", "retry"))


class Patient:
    """A run that does as it is told: “fails”, “naps”, or ends well."""

    def __init__(self) -> None:
        self.does = "fails"

    def __call__(self, ctx: Context) -> str:
        if self.does == "naps":
            ctx.step.sleep("nap", 3600)
        return ctx.step.run("act", self.act)

    def act(self) -> str:
        if self.does == "fails":
            raise NonRetriableError("it is broken")
        return "done"


def says_whether_outdated(ctx: Context) -> bool:
    return ctx.step.run("ask", lambda: ctx.is_outdated)


@contextmanager
def patient_and_hooks() -> Iterator[Patient]:
    """Each hook's output is whether it is outdated."""
    patient = Patient()
    hooks = dict.fromkeys(("on_failure", "on_cancel", "on_retry"), says_whether_outdated)
    with registered(patient, **hooks):
        yield patient


def slow_hook(fn_id: str) -> Claim:
    """Do what is due but for this hook, which a worker has taken and is not yet at."""
    held = None
    while claims := claim_due(10):
        for claimed in claims:
            if claimed.fn_id == fn_id:
                held = claimed
            else:
                execute(claimed)
    assert held is not None
    return held


def answer_of(hook: Claim) -> Any:
    execute(hook)
    return Run.objects.get(id=hook.run_id).output


def hook_that_is_faster_than_its_run(fn_id: str) -> Claim:
    return {claimed.fn_id: claimed for claimed in claim_due(10)}[fn_id]
