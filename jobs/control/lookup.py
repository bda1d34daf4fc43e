"""A run by its id, with or without its row's lock."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError

from jobs import models
from jobs.runs.state import unknown_run


def lock_run(run_id: str | uuid.UUID) -> models.Run:
    return _one(models.Run.objects.select_for_update(of=("self",)), run_id)


def find(run_id: str | uuid.UUID) -> models.Run:
    return _one(models.Run.objects.all(), run_id)


def _one(runs: models.RunQuerySet, run_id: str | uuid.UUID) -> models.Run:
    try:
        return runs.select_related("event").get(id=run_id)
    except (models.Run.DoesNotExist, ValidationError, ValueError, TypeError):
        raise unknown_run(run_id) from None
