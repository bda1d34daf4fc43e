from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError

from jobs import models
from jobs.errors import UnknownRun
from jobs.lib.excerpts import quoted


def locked(run_id: str | uuid.UUID) -> models.Run:
    return _one(models.Run.objects.select_for_update(of=("self",)), run_id)


def find(run_id: str | uuid.UUID) -> models.Run:
    return _one(models.Run.objects.all(), run_id)


def _one(runs: models.RunQuerySet, run_id: str | uuid.UUID) -> models.Run:
    try:
        return runs.select_related("event").get(id=run_id)
    except (models.Run.DoesNotExist, ValidationError, ValueError, TypeError):
        given = str(run_id) if isinstance(run_id, uuid.UUID) else run_id
        raise UnknownRun(f"There is no run {quoted(given)}.") from None
