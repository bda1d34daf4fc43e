"""How fast the engine does work of its own that is in no hurry.

Beside runs it works a share of the time and rests for the others, so that it takes no more of the
processors and of the disk than that. With no run to be seen it does not rest. What is done in one
go is small, so that the rests are short too.
"""

from __future__ import annotations

import uuid

from jobs import statements

NO_RUN = uuid.UUID(int=0)

# Whether a worker has another run in hand, or a run waits for a worker, or one has just ended
# otherwise than by being cancelled, which a bulk action may have done.
CROWDED = """
SELECT (SELECT 1 FROM jobs_run WHERE lease_until IS NOT NULL AND id <> %(own)s LIMIT 1) IS NOT NULL
    OR (SELECT 1 FROM jobs_run WHERE due_at <= statement_timestamp() AND lease_token IS NULL
         LIMIT 1) IS NOT NULL
    OR (SELECT 1 FROM (SELECT status FROM jobs_run
                        WHERE ended_at > statement_timestamp() - interval '1 second'
                        ORDER BY ended_at DESC LIMIT 100) ended
         WHERE status <> 'cancelled' LIMIT 1) IS NOT NULL
"""


def is_crowded(own: uuid.UUID = NO_RUN) -> bool:
    """Whether runs are under way, apart from this one."""
    return bool(statements.execute(CROWDED, {"own": own})[0][0])


def rest_after(busy: float, share: float) -> float:
    """How long to rest after so many seconds of work, to have worked this share of the time."""
    return busy * (1 - share) / share
