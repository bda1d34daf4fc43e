"""Functions, as far as operators see and pause them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class RegisteredFunction(models.Model):
    """What the database must know of a function: its configuration as last synced."""

    fn_id = models.CharField("id", max_length=200, primary_key=True)
    name = models.CharField(max_length=200)
    config = models.JSONField(default=dict)
    synced_at = models.DateTimeField(db_default=Now())
    paused_at = models.DateTimeField(null=True, blank=True)
    # Why, in the operator's words, and by which account; empty if the code paused it.
    pause_reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    paused_by = models.CharField(max_length=64, blank=True, default="", db_default="")
    # While it is paused: whether its unfinished runs stand still too, each after its step.
    stands_still = models.BooleanField(default=False)

    class Meta:
        verbose_name = "function"
        ordering = ["fn_id"]
        permissions = [("pause_registeredfunction", "Can pause and resume functions")]

    def __str__(self) -> str:
        return self.fn_id
