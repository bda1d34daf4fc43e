"""A retry locks the runs that its run waits for, and a resumption those that stood still: a parked
one loses no turn to that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from jobs.api import (
    Concurrency,
    Context,
    Event,
    TriggerEvent,
    cancel,
    pause,
    rerun,
    resume,
    send,
)
from jobs.execution.executor import execute
from jobs.models import Reason, Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from tests.support.blocking import others
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 10.0  # seconds
LOCKED = ("INSERT INTO jobs_undoneend", 'UPDATE "jobs_run" SET "ready_at"')
OF_THE_CHILD: dict[str, Any] = {
    "fn_id": "child",
    "trigger": TriggerEvent(event="test/child"),
    "concurrency": [Concurrency(limit=1)],
}


def parent(ctx: Context) -> Any:
    return ctx.step.invoke("ask", function="child")


def test_a_run_that_ends_meanwhile_passes_its_turn_on_to_it():
    with registered(parent), registered(lambda ctx: "answer", **OF_THE_CHILD):
        send(Event(name="test/child"))
        (holder,) = claim_due(1)
        run = go()
        drain()
        child = the_run("child")
        assert (child.invoked_by_id, child.reason) == (run.id, Reason.TURN)
        cancel(run.id)

        with connection.execute_wrapper(once_locked(lambda: execute(holder))):
            rerun(run.id)

        assert Run.objects.get(id=child.id).due_at is not None
        drain()
        assert the_run().output == "answer"


def test_so_does_one_that_ends_while_its_function_is_resumed():
    with registered(lambda ctx: "answer", **OF_THE_CHILD):
        send([Event(name="test/child") for _ in range(2)])
        (holder,) = claim_due(1)
        assert claim_due(1) == []
        pause("child", stop_running=True)

        with connection.execute_wrapper(once_locked(lambda: execute(holder))):
            resume("child")

        (parked,) = Run.objects.exclude(id=holder.run_id)
        assert parked.due_at is not None
        drain()
        assert the_run("child").output == "answer"


def once_locked(job: Callable[[], object]) -> Callable[..., Any]:
    """When the rows are locked, and before the commit, another thread does the job."""
    jobs = [job]

    def wrapper(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        result = execute(sql, params, many, context)
        if any(text in sql for text in LOCKED) and jobs:
            with others() as start:
                start(jobs.pop()).result(PATIENCE)
        return result

    return wrapper
