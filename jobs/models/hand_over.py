from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class HandOverNote(models.Model):
    """An operator's words to the next shift (control/hand_over.py)."""

    text = models.CharField(max_length=2_000, blank=True)  # empty: nothing to tell any more
    # The account's id, and its name of then; the account may be gone.
    by = models.CharField(max_length=64)
    by_name = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()

    class Meta:
        verbose_name = "hand-over note"
        ordering = ["-id"]
        default_permissions = ("add",)  # accounts that see runs see it

    def __str__(self) -> str:
        return f"hand-over note {self.pk}"
