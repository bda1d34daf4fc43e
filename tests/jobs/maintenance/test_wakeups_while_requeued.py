"""A word is not missed by a run that is between two hands when it is said: its cluster is gone, it
is due again, and another worker takes it up before the word is committed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from jobs.api import Context, Event, cancel, send
from jobs.execution.executor import execute
from jobs.fetch import outbox
from jobs.maintenance import sweeper
from jobs.models import Run, Step
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from tests.support.blocking import Uncommitted
from tests.support.deaths import leases_lapse
from tests.support.functions import go, registered, the_run

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def waits_twice(step: Any) -> Callable[[Context], Any]:
    """A branch that waits for a word, beside one that sleeps."""
    return lambda ctx: ctx.step.parallel([lambda: step(ctx), lambda: ctx.step.sleep("nap", 60)])


def in_other_hands(run: Run) -> None:
    """The run's cluster is gone: it is due, and no worker has it."""
    claim_due(1)
    leases_lapse()
    sweeper.sweep()
    run.refresh_from_db()
    assert run.status == "queued"


def hurried(say: Callable[[], Any]) -> None:
    """The word is said while the run is between two hands; a worker takes the run up, as far as it
    can, and looks; only then is the word committed."""
    run = the_run()
    Step.objects.filter(run=run, name="nap").update(due_at=Now())
    Run.objects.filter(id=run.id).update(due_at=Now())
    in_other_hands(run)
    with Uncommitted(say):
        for claimed in claim_due(10):
            if claimed.run_id == run.id:
                execute(claimed)


def test_an_answer_that_lands_while_its_run_is_between_two_hands_is_not_missed(endpoint):
    handler = waits_twice(lambda ctx: ctx.step.fetch("call", endpoint.url).status_code)
    with registered(handler):
        go()
        execute(*claim_due(1))
        (leased_request,) = outbox.lease_requests(1)
        outcome = outbox.perform_now(leased_request)
        hurried(lambda: outbox.store_responses([(leased_request, outcome)]))
        drain()
    assert (the_run().status, the_run().output) == ("completed", [200, None])
    assert len(endpoint.asked) == 1


def test_an_end_of_an_invoked_run_that_comes_while_its_caller_is_between_two_hands_is_not_missed():
    def callee(ctx: Context) -> str:
        ctx.step.sleep("long", 3600)
        return "done"

    handler = waits_twice(lambda ctx: ctx.step.invoke("ask", function="callee"))
    with registered(callee, fn_id="callee", trigger=[]), registered(handler):
        go()
        drain()
        hurried(lambda: cancel(the_run("callee").id))
        drain()
    assert the_run().status == "failed"


def test_an_event_that_is_sent_while_its_run_is_between_two_hands_is_not_missed():
    handler = waits_twice(
        lambda ctx: ctx.step.wait_for_event("w", event="test/word", timeout=timedelta(days=9)).data
    )
    with registered(handler):
        go()
        drain()
        hurried(lambda: send(Event(name="test/word", data={"said": True})))
        drain()
    assert the_run().output == [{"said": True}, None]
