from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class FunctionQuerySet(models.QuerySet["RegisteredFunction"]):
    def paused(self) -> FunctionQuerySet:
        return self.filter(paused_at__isnull=False)


class RegisteredFunction(models.Model):
    """A function's configuration as last synced, and whether it is paused."""

    fn_id = models.CharField("id", max_length=200, primary_key=True)
    name = models.CharField(max_length=200)
    config = models.JSONField(default=dict)
    synced_at = models.DateTimeField(db_default=Now())
    paused_at = models.DateTimeField(null=True, blank=True)
    # The operator's reason and account; empty if code paused it.
    pause_reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    paused_by = models.CharField(max_length=64, blank=True, default="", db_default="")
    # Unfinished runs stand still too, each after its step.
    stands_still = models.BooleanField(default=False)

    objects: ClassVar[models.Manager[RegisteredFunction]] = FunctionQuerySet.as_manager()

    class Meta:
        verbose_name = "function"
        ordering = ["fn_id"]
        permissions = [("pause_registeredfunction", "Can pause and resume functions")]

    def __str__(self) -> str:
        return self.fn_id
