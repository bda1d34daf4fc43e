"""An answer that is stored at the very moment at which its run is looked at."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from jobs.api import Context
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.testing import Answer, drain
from tests.support.functions import at_once, go, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True)


def advance() -> None:
    """Have the run looked at, whatever it waits for."""
    Run.objects.update(due_at=Run.objects.get().created_at)
    for claimed in claim_due(1):
        execute(claimed)


def stored_just_before_the_memory_is_read(leased_requests: list[gateway.LeasedRequest]) -> Any:
    stored: list[gateway.LeasedRequest] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "JOIN jobs_fetch" in sql and not stored:
            stored.extend(leased_requests)
            at_once(
                lambda: gateway.store_responses(
                    [(f, gateway.perform_now(f)) for f in leased_requests]
                )
            )
        return execute(sql, params, many, context)

    return connection.execute_wrapper(wrapper)


@pytest.mark.parametrize("earlier", [[], [Answer(503, body={"song": "busy"})]])
def test_an_answer_that_lands_while_the_memory_is_read_is_read_whole(endpoint, earlier):
    endpoint.answers(*earlier, Answer(body={"song": "a waltz"}))

    def handler(ctx: Context) -> Any:
        response = ctx.step.fetch("call", endpoint.url)
        return [response.status_code, response.json()]

    with registered(handler, backoff=[0]):
        go()
        advance()
        for _ in earlier:
            gateway.store_responses(
                [
                    (leased_request, gateway.perform_now(leased_request))
                    for leased_request in gateway.lease_requests(1)
                ]
            )
            advance()  # reads the answer, and errs
            advance()  # asks again
        with stored_just_before_the_memory_is_read(gateway.lease_requests(1)):
            advance()
        drain()
    run = the_run()
    assert (run.status, run.output) == ("completed", [200, {"song": "a waltz"}])
    assert run.steps.get().output["body"] == '{"song": "a waltz"}'
