"""jobs.api.forget: what has not ended is forgotten once it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from jobs.api import (
    Context,
    answers,
    cancel,
    forget,
    pause,
)
from jobs.control import forgetting
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.models import Fetch, Run, Step
from jobs.runs.claiming import claim_due
from jobs.testing import Answer, drain, travel
from tests.support.forgetting import WORD, child, holding, sleeper
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db
LONG = timedelta(days=1)


def test_an_unfinished_run_goes_on_with_its_words_and_is_forgotten_once_it_ends():
    with registered(sleeper):
        run = go({"word": WORD})
        drain()
        forget([run.event_id])
        drain()
        assert Step.objects.get(run=run, name="before").output == WORD
        travel(timedelta(hours=2))
        drain()
        run.refresh_from_db()
        assert run.status == "completed"
        travel(LONG)
        drain()
    assert holding() == set()
    assert the_run(forgetting.FUNCTION).status == "completed"


def test_it_looks_less_and_less_often_at_what_does_not_end():
    with registered(sleeper):
        run = go({"word": WORD})
        pause("test-function")
        looks = []
        for idle in range(16):
            looks.append(forgetting.round_of([str(run.event_id)], idle)["rest"])
    assert looks[:3] == [5.0, 10.0, 20.0]
    assert looks[-1] == 6 * 3_600


def test_the_forgotten_of_a_rolled_back_transaction_is_remembered():
    with registered(child):
        run = go({"word": WORD})
        drain()
        with transaction.atomic():
            forget([run.event_id])
            transaction.set_rollback(True)
        drain()
    run.refresh_from_db()
    assert run.output == [WORD]


def test_an_answer_that_comes_after_the_cancellation_is_waited_for_and_forgotten(endpoint):
    def handler(ctx: Context) -> Any:
        return ctx.step.fetch("ask", endpoint.url, method="POST", json=ctx.event.data).text

    endpoint.answers(Answer(200, {"word": WORD}))
    with registered(handler):
        run = go({"word": WORD})
        for claimed in claim_due(10):
            execute(claimed)
        [request] = gateway.lease_requests(10)
        cancel(run.id)
        forget([run.event_id])
        assert answers([run.event_id], step="ask") == (1, [])
        forgetting.round_of([str(run.event_id)])
        assert Fetch.objects.get(run=run).body  # in flight: it is still the sender's
        gateway.store_responses([(request, gateway.perform_now(request))])
        in_flight, [response] = answers([run.event_id], step="ask")
        assert (in_flight, response.status_code, response.json()) == (0, 200, {"word": WORD})
        drain()
    assert holding() == set()


def test_a_child_is_remembered_until_its_parent_has_read_it():
    def parent(ctx: Context) -> Any:
        first = ctx.step.invoke("ask", function="child", data=ctx.event.data)
        ctx.step.sleep("long", 3_600)
        return first

    with registered(child, fn_id="child", trigger=[]), registered(parent):
        run = go({"word": WORD})
        drain()
        forget([run.event_id])
        drain()
        assert Run.objects.get(fn_id="child").output == [WORD]
        for _ in range(3):
            travel(LONG)
            drain()
    assert holding() == set()
    assert the_run().status == "completed"


def test_a_child_that_ends_after_its_parent_is_forgotten_too():
    def parent(ctx: Context) -> Any:
        return ctx.step.invoke("ask", function="slow", data=ctx.event.data)

    with registered(sleeper, fn_id="slow", trigger=[]), registered(parent):
        run = go({"word": WORD})
        drain()
        cancel(run.id)
        forget([run.event_id])
        drain()
        for _ in range(3):
            travel(LONG)
            drain()
    assert holding() == set()
