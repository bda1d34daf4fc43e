"""A worker's right to write a run."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db.models.functions import Now

from jobs import conf, models

# SKIP LOCKED: one run's long transaction must not cost the others their leases.
RENEW = """
UPDATE jobs_run r SET lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
  FROM (SELECT l.id FROM jobs_run l
          JOIN unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS held(id, token)
            ON l.id = held.id AND l.lease_token = held.token
           FOR NO KEY UPDATE OF l SKIP LOCKED) mine
 WHERE r.id = mine.id
RETURNING r.id
"""

GIVE_BACK = """
WITH mine AS MATERIALIZED (
  SELECT r.id FROM jobs_run r
    JOIN unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS held(id, token)
         ON r.id = held.id AND r.lease_token = held.token
     FOR UPDATE OF r SKIP LOCKED)
UPDATE jobs_run r SET status = 'queued', reason = '', due_at = statement_timestamp(),
       lease_token = NULL, lease_until = NULL
  FROM mine WHERE r.id = mine.id
"""


def give_back(run_id: uuid.UUID, token: uuid.UUID) -> bool:
    """Requeue a run at once, without blame; False if the lease was lost."""
    return bool(
        models.Run.objects.filter(id=run_id, lease_token=token).update(
            status=models.RunStatus.QUEUED,
            due_at=Now(),
            reason="",
            lease_token=None,
            lease_until=None,
        )
    )


def renewed(run_id: uuid.UUID, token: uuid.UUID) -> uuid.UUID | None:
    """A new token, so that the keeper, which gives back claims that waited for long, comes too
    late. None if the lease is lost.
    """
    fresh = uuid.uuid4()
    mine = models.Run.objects.filter(id=run_id, lease_token=token)
    until = Now() + timedelta(seconds=conf.lease())
    return fresh if mine.update(lease_token=fresh, lease_until=until) else None
