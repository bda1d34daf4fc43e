"""A run that was retried while its request was in flight, and is parked, loses no turn to the
statement that queues its request again and locks its row for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from jobs.api import Concurrency, Context, cancel, rerun
from jobs.execution.executor import execute
from jobs.fetch import lease, outbox
from jobs.models import Fetch, Reason, Run
from jobs.runs.claiming import claim_due
from tests.support.blocking import others
from tests.support.functions import go, registered

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 10.0  # seconds


def asking(ctx: Context) -> None:
    if ctx.event.data.get("asks"):
        ctx.step.fetch("ask", "https://example.org/")


@pytest.mark.parametrize("number", [0, 1], ids=["its only line", "its second line"])
@pytest.mark.parametrize("is_released", [False, True], ids=["lapsed", "released"])
def test_a_run_that_ends_meanwhile_passes_its_turn_on(settings, is_released: bool, number: int):
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": ["example.org"]}
    lines = [Concurrency(limit=9, key="'many'")] * number + [Concurrency(limit=1)]
    with registered(asking, concurrency=lines):
        asks = go({"asks": True})
        execute(*claim_due(1))
        (request,) = outbox.lease_requests(1)
        cancel(asks.id)
        go()
        (holder,) = claim_due(1)
        rerun(asks.id)
        assert claim_due(1) == []
        assert Run.objects.get(id=asks.id).reason == Reason.TURN
        Fetch.objects.update(lease_until="2020-01-01T00:00Z")

        with transaction.atomic(), connection.execute_wrapper(after_it(lambda: execute(holder))):
            outbox.release([request]) if is_released else lease.requeue_lapsed()

        assert Run.objects.get(id=asks.id).due_at is not None
        assert [claim.run_id for claim in claim_due(1)] == [asks.id]


def after_it(job: Callable[[], object]) -> Callable[..., Any]:
    """While the statement that queues requests again has its locks, another thread does the job."""

    def wrapper(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        result = execute(sql, params, many, context)
        if "FOR SHARE SKIP LOCKED" in sql:
            with others() as start:
                start(job).result(PATIENCE)
        return result

    return wrapper
