"""For tests of functions: run what is due in this process, and let time pass without waiting.

drain()                      # everything that is due, HTTP requests included
travel(timedelta(hours=1))   # everything the engine has written is an hour older

with Endpoint().open() as endpoint:              # a real server, on a free port
    endpoint.answers(Answer(500), Answer(body={"made": True}))
"""

from __future__ import annotations

from django.apps import apps
from django.db import transaction
from django.db.models import DateTimeField, F

from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.lib.durations import Duration
from jobs.maintenance import cron, sweeper, turn_repair
from jobs.runs import queue
from jobs.runs.queue import claim_due
from jobs.testing.arguments import checked_limit, checked_span
from jobs.testing.endpoint import Answer, Asked, Endpoint

__all__ = ["Answer", "Asked", "Endpoint", "drain", "travel"]

MOST_ROUNDS = 10_000


def drain(limit: int = MOST_ROUNDS) -> int:
    """Run until nothing is due and no request is in flight; returns how many times a run advanced.

    Raises RuntimeError after `limit` advances: a run goes in a circle.
    """
    limit, advanced = checked_limit(limit), 0
    while True:
        sweeper.sweep()
        turn_repair.repair_turns()
        cron.tick()
        claims = claim_due(10, "drain")
        for claimed in claims:
            execute(claimed)
        advanced += len(claims)
        if advanced > limit:
            raise RuntimeError(f"drain() has advanced runs {advanced} times and is not done.")
        leased_requests = gateway.lease_requests(10)
        if leased_requests:
            gateway.store_responses(
                [
                    (leased_request, gateway.perform_now(leased_request))
                    for leased_request in leased_requests
                ]
            )
        # A batch may be empty because all its runs were parked; more may follow.
        if not claims and not leased_requests and queue.next_due(1.0) > 0:
            return advanced


def travel(by: Duration) -> None:
    """Let time pass: every time that the engine has stored moves `by` into the past.

    The database's clock cannot be set, so the rows move, and what was to happen within `by` is due.
    """
    span = checked_span(by)
    with transaction.atomic():
        for model in apps.get_app_config("jobs").get_models():
            times = [f.name for f in model._meta.fields if isinstance(f, DateTimeField)]
            if times:
                model._default_manager.update(**{name: F(name) - span for name in times})
