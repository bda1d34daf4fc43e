from __future__ import annotations

from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.maintenance import cron, sweeper, turn_repair
from jobs.runs import claiming
from jobs.runs.claiming import claim_due
from jobs.testing import cron_lines, time_travel
from jobs.testing.arguments import checked_limit

MAX_ROUNDS = 10_000
BATCH = 10


def drain(limit: int = MAX_ROUNDS, *, skip_time: bool = False) -> int:
    """Run until nothing is due and no request is in flight; returns how many times a run advanced.

    With `skip_time` sleeps, backoffs, and waits for events that do not come end at once, in the
    order of their times. Cron lines do not tick in skipped time.

    Raises RuntimeError after `limit` advances: a run goes in a circle.
    """
    cron_lines.note()
    limit = checked_limit(limit)
    advanced = _drain(0, limit)
    while skip_time and time_travel.skip():
        advanced = _drain(advanced, limit)
    return advanced


def _drain(advanced: int, limit: int) -> int:
    while True:
        sweeper.sweep()
        turn_repair.repair_turns()
        cron.tick()
        claims = claim_due(BATCH, "drain")
        for claimed in claims:
            execute(claimed)
        advanced += len(claims)
        if advanced > limit:
            raise RuntimeError(f"drain() has advanced runs {advanced} times and is not done.")
        # A batch is empty if all its runs were parked; more may follow.
        if not _perform_requests() and not claims and claiming.next_due(1.0) > 0:
            return advanced


def _perform_requests() -> bool:
    """False if none was in flight."""
    leased = gateway.lease_requests(BATCH)
    if leased:
        gateway.store_responses([(request, gateway.perform_now(request)) for request in leased])
    return bool(leased)
