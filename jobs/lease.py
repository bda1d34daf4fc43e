"""A worker's right to write a run: how it is given back, and how it is renewed."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db.models.functions import Now

from jobs import conf, models


def give_back(run_id: uuid.UUID, token: uuid.UUID) -> bool:
    """Hand a run on at once, unfinished and without blame; False if it was not ours any more."""
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
    """The new token of a lease that this worker still holds; None if it holds it no more. With a
    new token the keeper, which gives back what has waited for long, comes too late."""
    fresh = uuid.uuid4()
    mine = models.Run.objects.filter(id=run_id, lease_token=token)
    until = Now() + timedelta(seconds=conf.lease())
    return fresh if mine.update(lease_token=fresh, lease_until=until) else None
