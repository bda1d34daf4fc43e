"""The engine's own functions: it lives by its own means."""

from __future__ import annotations

from collections import Counter

from jobs import retention
from jobs.api import Concurrency, Context, TriggerCron, create_function

MOST_ROUNDS = 100  # of one run; what is left then is the next hour's


@create_function(
    fn_id="jobs-retention",
    name="Forget what ended long ago",
    trigger=TriggerCron(cron="17 * * * *"),
    concurrency=[Concurrency(limit=1)],
)
def forget_history(ctx: Context) -> dict[str, int]:
    """A step for each round, which is not atomic: each of its batches commits by itself."""
    forgotten: Counter[str] = Counter(runs=0, events=0, clusters=0)
    after, more = "", True
    for _ in range(MOST_ROUNDS):
        done = ctx.step.run("forget", retention.forget, after, atomic=False)
        forgotten.update(runs=done["runs"], events=done["events"], clusters=done["clusters"])
        after, more = done["after"], done["more"]
        if not more:
            break
    if more:
        ctx.logger.warning("More than %d rounds; the next run goes on.", MOST_ROUNDS)
    return dict(forgotten)
